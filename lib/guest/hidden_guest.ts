import type { KeepReason } from './file_system.ts'

/** What is asked of a volume here. */
interface Looked {
  readonly where: string
  readonly kind: string
  readonly keep: KeepReason | undefined
}

/** Kinds of volumes in which no Linux, BSD or other guest sleeps that mounts file systems without a mark of it. */
const NO_BED: ReadonlySet<string> = new Set([
  // A partition with swap space would have its signature.
  'unknown',
  // Windows marks what it has mounted.
  'ntfs',
  'vfat',
  'exfat',
  'refs',
  'bitlocker',
  'hfs',
  'hfsplus',
  'apfs',
  'iso9660',
  'udf',
  'squashfs',
  'erofs',
  'cramfs',
])

/**
 * Returns why file systems are kept that may be mounted by a guest that sleeps, when there is a volume in which one
 * could sleep without being seen: encrypted swap space, swap space on a RAID, a swap file in a file system that is
 * kept. A guest that wakes up goes on with what it remembers of its file systems.
 *
 * @param volumes All of the machine.
 */
export function reasonOfHiddenGuest(volumes: readonly Looked[]): KeepReason | undefined {
  const bed = volumes.find(({ kind, keep }) => keep !== undefined && !NO_BED.has(kind))
  if (bed === undefined) return undefined
  return {
    code: 'unclean',
    found: `it may be in use by a guest that sleeps in ${bed.where} (${bed.kind}), which is not looked into`,
  }
}
