import t from 'tap'
import { glyphsFor } from '../../../lib/face/cli/screen.ts'
import { drawSnapshotTree } from '../../../lib/face/cli/snapshot_tree.ts'
import type { SnapshotInfo } from '../../../lib/machine/info_types.ts'

function snapshot(name: string, parent: string | null, current = false): SnapshotInfo {
  return { id: name, name, parent, timeStamp: '2026-01-31T12:00:00Z', current }
}

function draw(...snapshots: SnapshotInfo[]): string[] {
  return drawSnapshotTree(snapshots, {
    paint: (_look, text) => text,
    glyphs: glyphsFor({ LANG: 'C.UTF-8' }),
  }).map(line => line.replace('  2026-01-31 12:00:00 UTC', ''))
}

t.test('a chain runs straight down to the current state', async t => {
  t.strictSame(draw(snapshot('a', null), snapshot('b', 'a'), snapshot('c', 'b', true)), [
    'a',
    'b',
    'c',
    '* current state (you are here)',
  ])
})

t.test('forks are indented, the current state is a child like others', async t => {
  t.strictSame(
    draw(
      snapshot('a', null),
      snapshot('b', 'a', true),
      snapshot('test', 'b'),
      snapshot('test 2', 'test'),
      snapshot('other', 'a'),
      snapshot('other 2', 'other'),
    ),
    [
      'a',
      '├─ b',
      '│  ├─ test',
      '│  │  test 2',
      '│  └─ * current state (you are here)',
      '└─ other',
      '   other 2',
    ],
  )
})

t.test('a current state that hangs on no snapshot is drawn beside the tree', async t => {
  t.strictSame(draw(snapshot('a', null)), ['a', '* current state (you are here)'])
})

t.test('hundreds of levels are drawn, with names that cannot play tricks', async t => {
  const chain = Array.from({ length: 5000 }, (_, at) =>
    snapshot(`s${at}`, at === 0 ? null : `s${at - 1}`, at === 4999),
  )
  t.equal(draw(...chain).length, 5001)
  t.strictSame(draw({ ...snapshot('a', null), name: 'x\u001b\n' })[0], 'x\\x1b\\x0a')
})

t.test('every snapshot of a tree that forks at each of 500 levels is drawn', async t => {
  const forks = Array.from({ length: 500 }, (_, at) => {
    const parent = at === 0 ? null : `s${at - 1}`
    return [snapshot(`s${at}`, parent), ...(at === 0 ? [] : [snapshot(`t${at}`, parent)])]
  }).flat()
  t.equal(draw(...forks).length, 1000)
})
