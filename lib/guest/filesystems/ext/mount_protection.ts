import { crc32c } from '../../checksums/crc32c.ts'
import { type BlockDevice, readBytes } from '../../device.ts'
import type { KeepReason } from '../../file_system.ts'
import { damaged, unclean } from './check_superblock.ts'
import { littleEndian } from './fields.ts'
import { MMP, MMP_MAGIC, MMP_SEQ_CLEAN } from './layout.ts'
import { hasIncompat, hasRoCompat, type Superblock } from './superblock.ts'

/**
 * Returns why a file system is kept for what its multiple mount protection (mmp) says; undefined when it has none
 * or nobody uses it. Who mounts it notes that in a block of its own, at once and not by way of the journal, so
 * whatever else is on the disk, another computer may be writing to it.
 */
export async function whyMounted(
  device: BlockDevice,
  superblock: Superblock,
): Promise<KeepReason | undefined> {
  if (!hasIncompat(superblock, 'mmp')) return undefined
  const { mmpBlock, blockSize, blocksCount, firstDataBlock, checksumSeed } = superblock
  if (mmpBlock <= firstDataBlock || mmpBlock >= blocksCount) {
    return damaged(`its multiple mount protection would be at block ${mmpBlock}`)
  }
  const bytes = await readBytes(device, mmpBlock * blockSize, 1024)
  const { u32 } = littleEndian(bytes)
  const isRight =
    u32(MMP.mmp_magic) === MMP_MAGIC &&
    (!hasRoCompat(superblock, 'metadata_csum') ||
      u32(MMP.mmp_checksum) === crc32c(bytes.subarray(0, MMP.mmp_checksum), checksumSeed))
  if (!isRight) return damaged('the block of its multiple mount protection is damaged')
  const sequence = u32(MMP.mmp_seq)
  if (sequence === MMP_SEQ_CLEAN) return undefined
  return unclean(`its multiple mount protection says that it is mounted (0x${sequence.toString(16)})`)
}
