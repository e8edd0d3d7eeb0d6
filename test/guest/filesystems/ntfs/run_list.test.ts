import t from 'tap'
import { GuestProblem } from '../../../../lib/guest/file_system.ts'
import { decodeRuns, type Run } from '../../../../lib/guest/filesystems/ntfs/run_list.ts'

const CLUSTERS = 2 ** 40

function decode(hex: string, highest: number, lowest = 0, clusters = CLUSTERS): Run[] {
  return decodeRuns(Buffer.from(hex.replaceAll(' ', ''), 'hex'), { lowest, highest }, clusters, 'it')
}

t.test('runs are relative to the run before, forwards and backwards', async t => {
  t.strictSame(decode('21 18 34 56  11 07 fb  31 01 00 f0 ff  11 02 7f  00 ff', 0x18 + 7 + 1 + 2 - 1), [
    { vcn: 0, lcn: 0x5634, count: 0x18 },
    { vcn: 0x18, lcn: 0x562f, count: 7 },
    { vcn: 0x1f, lcn: 0x462f, count: 1 },
    { vcn: 0x20, lcn: 0x46ae, count: 2 },
  ])
})

t.test('holes have no place and do not move the next run', async t => {
  t.strictSame(decode('11 30 20  01 60  11 10 30  00', 0x30 + 0x60 + 0x10 - 1), [
    { vcn: 0, lcn: 0x20, count: 0x30 },
    { vcn: 0x30, lcn: undefined, count: 0x60 },
    { vcn: 0x90, lcn: 0x50, count: 0x10 },
  ])
})

t.test('numbers beyond 32 bits are exact', async t => {
  t.strictSame(decode('66 01 00 00 00 01 00  05 00 00 00 40 00  00', 2 ** 32), [
    { vcn: 0, lcn: 2 ** 38 + 5, count: 2 ** 32 + 1 },
  ])
})

t.test('the runs of a later attribute begin at its first VCN', async t => {
  t.strictSame(decode('11 02 05 00', 101, 100), [{ vcn: 100, lcn: 5, count: 2 }])
  t.strictSame(decode('00', -1), [], 'nothing at all')
})

t.test('a list that does not fit is damaged', async t => {
  const wrong: readonly (readonly [name: string, hex: string, highest: number])[] = [
    ['does not end', '11 02 05', 1],
    ['is empty', '', 1],
    ['is cut off', '11 02', 1],
    ['a length of no bytes', '10 05 00', 1],
    ['a length of nine bytes', '19 01 00 00 00 00 00 00 00 00 05 00', 1],
    ['an offset of nine bytes', '91 01 05 00 00 00 00 00 00 00 00 00', 1],
    ['a run of nothing', '11 00 05 00', 1],
    ['a run of less than nothing', '11 ff 05 00', 1],
    ['before the first cluster', '11 02 ff 00', 1],
    ['behind the last cluster', '62 02 00 ff ff ff ff ff 00 00', 1],
    ['across the last cluster', '16 02 00 00 00 00 01 00', 1],
    ['too short', '11 02 05 00', 2],
    ['too long', '11 02 05 00', 0],
    ['an enormous hole', '08 ff ff ff ff ff ff ff 7f 00', 1],
    ['an enormous run', '88 ff ff ff ff ff ff ff 7f ff ff ff ff ff ff ff 7f 00', 1],
  ]
  for (const [name, hex, highest] of wrong) t.throws(() => decode(hex, highest), GuestProblem, name)
})
