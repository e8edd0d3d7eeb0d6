import type { KeepReason } from '../../file_system.ts'
import { unknownFeatures } from './features.ts'
import { descriptorBlocks, groupCount } from './groups.ts'
import {
  CHECKSUM_TYPE_CRC32C,
  COMPAT,
  DESC_SIZE_64BIT,
  JOURNAL_INO,
  MAX_DESC_SIZE,
  MAX_GROUPS,
  MIN_INODE_SIZE,
  STATE,
} from './layout.ts'
import { hasBit, hasIncompat, hasRoCompat, type Superblock } from './superblock.ts'

/**
 * Returns why a file system has to be kept for what its superblock says, whether its journal has to be replayed
 * or not; undefined when nothing speaks against it. After that the numbers of the superblock fit each other and
 * the device, and every place computed from them is exact.
 *
 * @param deviceSize Bytes.
 */
export function whyKept(superblock: Superblock, deviceSize: number): KeepReason | undefined {
  if (superblock.revision > 1) {
    const found = `its format is of revision ${superblock.revision}; revisions 0 and 1 are understood`
    return { code: 'unsupported_feature', found }
  }
  if (hasRoCompat(superblock, 'metadata_csum') && superblock.checksumType !== CHECKSUM_TYPE_CRC32C) {
    const found = `its checksums are of type ${superblock.checksumType}; type 1 (crc32c) is understood`
    return { code: 'unsupported_feature', found }
  }
  if (!superblock.isChecksumRight) return damaged('the checksum of its superblock is wrong')
  return (
    unknownFeatures(superblock) ??
    badGeometry(superblock, deviceSize) ??
    badJournal(superblock) ??
    badState(superblock)
  )
}

function badGeometry(superblock: Superblock, deviceSize: number): KeepReason | undefined {
  const found = geometryProblem(superblock, deviceSize)
  if (found !== undefined) return damaged(found)
  const groups = groupCount(superblock)
  if (groups <= MAX_GROUPS) return undefined
  return { code: 'unsupported_feature', found: `it has ${groups} groups of blocks, more than ${MAX_GROUPS}` }
}

/** The rules of Linux, which mounts nothing that breaks one of them. */
function geometryProblem(superblock: Superblock, deviceSize: number): string | undefined {
  const { blockSize, clusterSize, blocksPerGroup, clustersPerGroup, blocksCount } = superblock
  const { inodeSize, inodesPerGroup, inodesCount, descSize, firstDataBlock } = superblock
  if (blockSize > 65536) return `its blocks have ${blockSize} bytes, more than 65536`
  const bitsInBlock = blockSize * 8
  if (clusterSize < blockSize || clusterSize > 2 ** 29) {
    return `its clusters have ${clusterSize} bytes, its blocks ${blockSize}`
  }
  if (clustersPerGroup === 0 || clustersPerGroup > bitsInBlock || clustersPerGroup % 8 !== 0) {
    return `its groups have ${clustersPerGroup} clusters each; a bitmap holds ${bitsInBlock}`
  }
  if (blocksPerGroup !== clustersPerGroup * (clusterSize / blockSize)) {
    return `its groups have ${blocksPerGroup} blocks, but ${clustersPerGroup} clusters of ${clusterSize} bytes`
  }
  const expectedFirst = blockSize === 1024 && clusterSize === blockSize ? 1 : 0
  if (firstDataBlock !== expectedFirst)
    return `its first data block is ${firstDataBlock}, not ${expectedFirst}`
  if (blocksCount <= firstDataBlock) return `it has ${blocksCount} blocks`
  if (blocksCount * blockSize > deviceSize) {
    return `its ${blocksCount} blocks of ${blockSize} bytes are more than the ${deviceSize} bytes of the device`
  }
  if (!isPowerOfTwo(inodeSize) || inodeSize < MIN_INODE_SIZE || inodeSize > blockSize) {
    return `its inodes have ${inodeSize} bytes`
  }
  if (inodesPerGroup < blockSize / inodeSize || inodesPerGroup > bitsInBlock) {
    return `its groups have ${inodesPerGroup} inodes each`
  }
  if (inodesCount !== groupCount(superblock) * inodesPerGroup) {
    return `it has ${inodesCount} inodes in ${groupCount(superblock)} groups of ${inodesPerGroup}`
  }
  const isWide = hasIncompat(superblock, '64bit')
  if (isWide && (!isPowerOfTwo(descSize) || descSize < DESC_SIZE_64BIT || descSize > MAX_DESC_SIZE)) {
    return `its group descriptors have ${descSize} bytes`
  }
  return tableProblem(superblock)
}

function tableProblem(superblock: Superblock): string | undefined {
  const { reservedGdtBlocks, blockSize, firstMetaBg, blocksPerGroup } = superblock
  if (reservedGdtBlocks > blockSize / 4)
    return `it reserves ${reservedGdtBlocks} blocks for group descriptors`
  const blocks = descriptorBlocks(superblock)
  if (firstMetaBg > blocks) return `its first meta group is ${firstMetaBg} of ${blocks}`
  const contiguous = hasIncompat(superblock, 'meta_bg') ? firstMetaBg : blocks
  if (contiguous + reservedGdtBlocks + 2 > blocksPerGroup && groupCount(superblock) > 1) {
    return `its table of groups (${contiguous} blocks) is longer than a group (${blocksPerGroup})`
  }
  if (hasRoCompat(superblock, 'uninit_bg') && hasRoCompat(superblock, 'metadata_csum')) {
    return 'it has both uninit_bg and metadata_csum, of which each says how checksums are made'
  }
  return undefined
}

function badJournal(superblock: Superblock): KeepReason | undefined {
  const { compat, journalInode, journalDevice } = superblock
  if (!hasBit(compat, COMPAT.has_journal)) {
    if (!hasIncompat(superblock, 'needs_recovery')) return undefined
    return damaged('it needs recovery (needs_recovery), but has no journal')
  }
  if (journalInode === 0 || journalDevice !== 0) {
    return { code: 'multiple_devices', found: 'its journal is on another device' }
  }
  if (journalInode === JOURNAL_INO) return undefined
  return { code: 'unsupported_feature', found: `its journal is inode ${journalInode}, not ${JOURNAL_INO}` }
}

function badState({ state, errorCount }: Superblock): KeepReason | undefined {
  if (hasBit(state, STATE.ERROR_FS)) return damaged('its guest found errors in it; e2fsck repairs them')
  if (errorCount > 0) return damaged(`its guest noted errors in it (${errorCount}); e2fsck repairs them`)
  if (hasBit(state, STATE.ORPHAN_FS)) return unclean('a cleaning of deleted files was interrupted in it')
  if (hasBit(state, STATE.FC_REPLAY)) return unclean('a replay of fast commits was interrupted in it')
  // With a journal the bit stays set while it is mounted, without one it is cleared.
  if (!hasBit(state, STATE.VALID_FS)) return unclean('it was not unmounted')
  return undefined
}

/**
 * Returns why a file system without needs_recovery is not clean all the same; undefined when it is. While
 * recovery is needed, all of this is as it should be.
 */
export function whyUnclean(superblock: Superblock): KeepReason | undefined {
  const { lastOrphan } = superblock
  if (lastOrphan !== 0)
    return unclean(`files deleted while in use are still to be cleaned up (inode ${lastOrphan})`)
  if (hasRoCompat(superblock, 'orphan_present')) {
    return unclean('files deleted while in use are still to be cleaned up (orphan_present)')
  }
  return undefined
}

/** A reason to keep a file system that contradicts itself. */
export function damaged(found: string): KeepReason {
  return { code: 'damaged', found }
}

/** A reason to keep a file system that was in use. */
export function unclean(found: string): KeepReason {
  return { code: 'unclean', found }
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value))
}
