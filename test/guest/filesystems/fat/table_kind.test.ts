import t from 'tap'
import { GuestProblem, type KeepReason } from '../../../../lib/guest/file_system.ts'
import { entryBits } from '../../../../lib/guest/filesystems/fat/table_kind.ts'

t.test('the number of clusters tells how many bits an entry has', async t => {
  t.equal(entryBits(1, false), 12)
  t.equal(entryBits(4069, false, 'FAT12   '), 12)
  t.equal(entryBits(4101, false, 'FAT     '), 16)
  t.equal(entryBits(65509, false, 'FAT16   '), 16)
  t.equal(entryBits(65541, true, 'FAT32   '), 32)
  t.equal(entryBits(0x0ffffff5, true), 32)
})

t.test('a volume that drivers could take for another kind is kept', async t => {
  for (const clusters of [4070, 4084, 4085, 4100, 65510, 65524]) {
    t.throws(() => entryBits(clusters, false), GuestProblem, `${clusters}`)
  }
  t.throws(() => entryBits(65540, true), GuestProblem)
  const doubts: readonly (readonly [KeepReason, () => number])[] = [
    [
      { code: 'ambiguous', found: 'one of FAT32, but it has the 4000 clusters of FAT12' },
      () => entryBits(4000, true),
    ],
    [{ code: 'ambiguous', found: 'one of FAT12 or FAT16' }, () => entryBits(70000, false)],
    [{ code: 'ambiguous', found: 'one of FAT16' }, () => entryBits(4000, false, 'FAT16   ')],
    [{ code: 'ambiguous', found: 'one of FAT12' }, () => entryBits(5000, false, 'FAT12   ')],
    [{ code: 'damaged', found: 'more than FAT32 can number' }, () => entryBits(0x0ffffff6, true)],
  ]
  for (const [reason, act] of doubts) t.match(reasonOf(act), reason)
})

function reasonOf(act: () => unknown): KeepReason | undefined {
  try {
    act()
  } catch (error) {
    if (error instanceof GuestProblem) return error.reason
  }
  return undefined
}
