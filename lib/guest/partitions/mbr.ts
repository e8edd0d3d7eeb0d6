import { type BlockDevice, readBytes } from '../device.ts'
import type { KeepReason } from '../file_system.ts'
import { decodeMbrSector, isExtended, type MbrEntry, SECTOR } from './mbr_sector.ts'
import { DYNAMIC_DISK, damagedTable, overlapOf, type Partition, type PartitionTable } from './partition.ts'

/** More logical partitions than any guest makes; each costs a read. */
const MOST_LOGICAL = 256

/** Types whose partitions hold tables of their own, or parts of one volume on several partitions. */
const KEPT_TYPES: ReadonlyMap<number, KeepReason> = new Map([
  [0x42, DYNAMIC_DISK],
  ...[0xa5, 0xa6, 0xa9].map(
    type =>
      [
        type,
        { code: 'unsupported_feature', found: 'its type says that a BSD label divides it further' },
      ] as const,
  ),
  [0xbf, { code: 'unsupported_feature', found: 'its type says that a Solaris label divides it further' }],
])

/**
 * Reads the partitions of an MBR and of the chain of EBRs below it.
 *
 * @param entries What `decodeMbrSector` found in the first sector.
 * @throws {GuestProblem} When any part of it is no table that a guest could have made.
 */
export async function readMbr(device: BlockDevice, entries: readonly MbrEntry[]): Promise<PartitionTable> {
  const disk = Math.floor(device.size / SECTOR)
  for (const entry of entries) checkEntry(entry, 1, disk)
  const extended = entries.filter(isExtended)
  if (extended.length > 1) throw damagedTable('its MBR has more than one extended partition')
  const primary = entries
    .filter(entry => !isExtended(entry))
    .map(entry => partition(entry.index + 1, entry, 0))
  checkDisjoint([...primary, ...extended.map(entry => partition(entry.index + 1, entry, 0))])
  const logical = extended[0] ? await readLogical(device, extended[0]) : []
  return { kind: 'mbr', partitions: [...primary, ...logical] }
}

/** Follows the EBRs: data are counted from the EBR that names them, links from the start of the extended partition. */
async function readLogical(device: BlockDevice, extended: MbrEntry): Promise<Partition[]> {
  const start = extended.first
  const end = extended.first + extended.sectors
  const tables: Partition[] = []
  const found: Partition[] = []
  const seen = new Set<number>()
  for (let at: number | undefined = start; at !== undefined; ) {
    if (seen.has(at)) throw damagedTable('the chain of its logical partitions runs in a circle')
    if (seen.size >= MOST_LOGICAL) throw damagedTable(`it has more than ${MOST_LOGICAL} logical partitions`)
    seen.add(at)
    const entries = decodeMbrSector(await readBytes(device, at * SECTOR, SECTOR))
    if (entries === undefined) throw damagedTable(`there is no table of logical partitions in sector ${at}`)
    tables.push(partition(0, { index: 0, status: 0, type: 0, first: at, sectors: 1 }, 0))
    const links = entries.filter(isExtended)
    const data = entries.filter(entry => !isExtended(entry))
    if (links.length > 1 || data.length > 1 || entries.some(({ index }) => index > 1)) {
      throw damagedTable(`the table of logical partitions in sector ${at} has too many entries`)
    }
    for (const entry of data) {
      checkEntry({ ...entry, first: at + entry.first }, at + 1, end)
      found.push(partition(5 + found.length, entry, at))
    }
    const link: MbrEntry | undefined = links[0]
    if (link) checkEntry({ ...link, first: start + link.first, status: 0 }, start, end)
    at = link && start + link.first
  }
  checkDisjoint([...found, ...tables])
  return found
}

function partition(number: number, entry: MbrEntry, base: number): Partition {
  return {
    number,
    range: { start: (base + entry.first) * SECTOR, length: entry.sectors * SECTOR },
    type: entry.type.toString(16).padStart(2, '0'),
    keep: KEPT_TYPES.get(entry.type),
  }
}

function checkEntry({ status, first, sectors, index }: MbrEntry, from: number, to: number): void {
  if (status !== 0 && status !== 0x80) {
    throw damagedTable(`entry ${index + 1} of a partition table has the status ${status}`)
  }
  if (first < from || first + sectors > to) {
    throw damagedTable(`a partition of ${sectors} sectors from ${first} on is not between ${from} and ${to}`)
  }
}

function checkDisjoint(parts: readonly Partition[]): void {
  const [one, other] = overlapOf(parts) ?? []
  if (one === undefined || other === undefined) return
  const bytes = `bytes ${one.range.start} and ${other.range.start}`
  throw damagedTable(`the partitions that begin at ${bytes} overlap`)
}
