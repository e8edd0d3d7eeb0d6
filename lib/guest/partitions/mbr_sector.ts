import { viewOf } from '../numbers.ts'

/** VirtualBox's disks have sectors of 512 bytes for the guest, which the table counts in. */
export const SECTOR = 512

/** An entry of an MBR or EBR that is in use. */
export interface MbrEntry {
  /** 0 to 3. */
  readonly index: number
  readonly status: number
  readonly type: number
  /** Sectors; what from, depends on the table. */
  readonly first: number
  readonly sectors: number
}

/** Types of partitions that hold partitions: CHS, LBA and Linux's own. */
const EXTENDED: readonly number[] = [0x05, 0x0f, 0x85]

/** Type of the entry that hides a GPT from programs that know none. */
export const PROTECTIVE = 0xee

/** Whether an entry holds a chain of EBRs. */
export function isExtended({ type }: MbrEntry): boolean {
  return EXTENDED.includes(type)
}

/**
 * Decodes the entries in use of a sector of 512 bytes.
 *
 * @returns Undefined when the sector does not end as a table does (55 AA).
 */
export function decodeMbrSector(bytes: Uint8Array): readonly MbrEntry[] | undefined {
  if (bytes[510] !== 0x55 || bytes[511] !== 0xaa) return undefined
  const view = viewOf(bytes)
  return [0, 1, 2, 3]
    .map(index => {
      const at = 0x1be + 16 * index
      return {
        index,
        status: view.getUint8(at),
        type: view.getUint8(at + 4),
        first: view.getUint32(at + 8, true),
        sectors: view.getUint32(at + 12, true),
      }
    })
    .filter(({ type, sectors }) => type !== 0 && sectors !== 0)
}
