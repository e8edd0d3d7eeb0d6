import t from 'tap'
import { clearBits } from '../../../../lib/guest/filesystems/windows/clear_bits.ts'
import type { ClusterRun } from '../../../../lib/guest/filesystems/windows/used_clusters.ts'
import { randomFrom, seedOfRun } from '../../../fixtures/random.ts'

function runsOf(pieces: readonly (readonly number[])[], count: number, first = 0): ClusterRun[] {
  const runs: ClusterRun[] = []
  const bits = clearBits(first, count, run => runs.push(run))
  for (const piece of pieces) bits.add(Uint8Array.from(piece))
  bits.end()
  return runs
}

t.test('clear bits are told in runs, the lowest bit of a byte first', async t => {
  t.same(runsOf([[0b1111_0001, 0b1000_0000]], 16, 100), [
    { first: 101, count: 3 },
    { first: 108, count: 7 },
  ])
  t.same(runsOf([[0xff, 0xff]], 16), [])
  t.same(runsOf([], 0), [])
})

t.test('a run goes on from one byte and one piece to the next', async t => {
  t.same(
    runsOf(
      [
        [0x7f, 0],
        [0, 0xfe],
      ],
      32,
    ),
    [{ first: 7, count: 18 }],
  )
})

t.test('what is behind the last bit does not count, whatever it is', async t => {
  for (const filling of [0x00, 0xff]) {
    for (let count = 1; count <= 16; count++) {
      t.same(runsOf([[0, 0, filling]], count), [{ first: 0, count }])
      t.same(runsOf([[0xff, 0xff, filling]], count), [])
    }
  }
})

t.test('any bitmap in any pieces is read as bit by bit', async t => {
  const seed = seedOfRun()
  t.comment(`VBOXMERGE_SEED=${seed}`)
  const random = randomFrom(seed)
  for (let round = 0; round < 200; round++) {
    const bytes = Array.from({ length: random.between(1, 40) }, () =>
      random.pick([0, 0, 0xff, 0xff, random.between(0, 255)]),
    )
    const count = random.between(1, bytes.length * 8)
    const cut = random.between(0, bytes.length)
    const free: number[] = []
    for (let bit = 0; bit < count; bit++)
      if ((((bytes[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 0) free.push(bit)
    const runs = runsOf([bytes.slice(0, cut), bytes.slice(cut)], count)
    t.same(
      runs.flatMap(run => Array.from({ length: run.count }, (_, at) => run.first + at)),
      free,
    )
    t.notOk(
      runs.some((run, at) => at > 0 && run.first === (runs[at - 1]?.first ?? 0) + (runs[at - 1]?.count ?? 0)),
    )
  }
})
