import type { BlockDevice } from '../device.ts'
import { GuestProblem, type KeepReason } from '../file_system.ts'
import { u64, viewOf } from '../numbers.ts'
import { type GptHeader, hasGptSignature, readGptHeader } from './gpt_header.ts'
import { type MbrEntry, PROTECTIVE, SECTOR } from './mbr_sector.ts'
import { DYNAMIC_DISK, damagedTable, overlapOf, type Partition, type PartitionTable } from './partition.ts'

const UNUSED = '00000000-0000-0000-0000-000000000000'

/** Types of which the content is known to make no sense by itself. */
const KEPT_TYPES: ReadonlyMap<string, KeepReason> = new Map([
  ['5808C8AA-7E8F-42E0-85D2-E1E90434CFB3', DYNAMIC_DISK],
  ['AF9B60A0-1431-4F62-BC68-3311714A69AD', DYNAMIC_DISK],
  [
    'E75CAF8F-F680-4CEE-AFA3-B001E56EFC2D',
    { code: 'multiple_devices', found: 'it belongs to a pool of Windows Storage Spaces' },
  ],
])

/**
 * Finds the size of the sectors that a GPT counts in.
 *
 * @returns Undefined when there is no GPT.
 * @throws {GuestProblem} When it could be one of two.
 */
export async function gptSectorSize(device: BlockDevice): Promise<512 | 4096 | undefined> {
  const small = await hasGptSignature(device, 512)
  const large = await hasGptSignature(device, 4096)
  if (small && large) {
    throw new GuestProblem({
      code: 'ambiguous',
      found: 'it has a GPT for sectors of 512 and one of 4096 bytes',
    })
  }
  return small ? 512 : large ? 4096 : undefined
}

/**
 * Reads the partitions of a GPT. Both copies must be whole and equal: two that differ leave open which one the guest
 * goes by.
 *
 * @param mbr Entries of the first sector; undefined when it has none.
 * @throws {GuestProblem} When the two copies or the protective MBR do not agree.
 */
export async function readGpt(
  device: BlockDevice,
  sectorSize: 512 | 4096,
  mbr: readonly MbrEntry[] | undefined,
): Promise<PartitionTable> {
  const main = await readGptHeader(device, 'main', 1, sectorSize)
  const backup = await readGptHeader(device, 'backup', main.other, sectorSize)
  checkPair(main, backup)
  const partitions = partitionsOf(main, sectorSize)
  const [one, other] = overlapOf(partitions) ?? []
  if (one && other) throw damagedTable(`its partitions ${one.number} and ${other.number} overlap`)
  checkProtective(mbr, partitions, sectorSize)
  return { kind: 'gpt', partitions }
}

function checkPair(main: GptHeader, backup: GptHeader): void {
  const isPair =
    backup.other === 1 &&
    main.diskId === backup.diskId &&
    main.firstUsable === backup.firstUsable &&
    main.lastUsable === backup.lastUsable &&
    main.entrySize === backup.entrySize &&
    Buffer.compare(main.entries, backup.entries) === 0
  if (!isPair) throw damagedTable('the two copies of its GPT differ')
}

function partitionsOf(
  { entries, entrySize, firstUsable, lastUsable }: GptHeader,
  sectorSize: number,
): Partition[] {
  const view = viewOf(entries)
  const partitions: Partition[] = []
  for (let at = 0; at < entries.length; at += entrySize) {
    const type = guidAt(view, at)
    if (type === UNUSED) continue
    const number = at / entrySize + 1
    const first = u64(view, at + 32)
    const last = u64(view, at + 40)
    if (!(first >= firstUsable && first <= last && last <= lastUsable)) {
      throw damagedTable(`its partition ${number} is not inside the space for partitions`)
    }
    const range = { start: first * sectorSize, length: (last - first + 1) * sectorSize }
    partitions.push({ number, range, type, keep: KEPT_TYPES.get(type) })
  }
  return partitions
}

/** Beside the protective entry only such are allowed as say what the GPT says (a hybrid MBR). */
function checkProtective(
  mbr: readonly MbrEntry[] | undefined,
  partitions: readonly Partition[],
  sectorSize: number,
): void {
  const isProtective = mbr?.some(({ type }) => type === PROTECTIVE)
  if (mbr === undefined || !isProtective) {
    throw new GuestProblem({ code: 'ambiguous', found: 'it has a GPT, and an MBR that does not protect it' })
  }
  for (const entry of mbr.filter(({ type }) => type !== PROTECTIVE)) {
    const unit = sectorSize === 4096 ? sectorSize : SECTOR
    const isSame = partitions.some(
      ({ range }) => range.start === entry.first * unit && range.length === entry.sectors * unit,
    )
    if (isSame) continue
    throw new GuestProblem({
      code: 'ambiguous',
      found: `entry ${entry.index + 1} of its MBR says something else than its GPT`,
    })
  }
}

/** The first three fields of a GUID are little-endian numbers. */
function guidAt(view: DataView, at: number): string {
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0')
  const bytes = Array.from({ length: 8 }, (_, index) => hex(view.getUint8(at + 8 + index), 2)).join('')
  const groups = [
    hex(view.getUint32(at, true), 8),
    hex(view.getUint16(at + 4, true), 4),
    hex(view.getUint16(at + 6, true), 4),
    bytes.slice(0, 4),
    bytes.slice(4),
  ]
  return groups.join('-').toUpperCase()
}
