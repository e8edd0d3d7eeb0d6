import type { BlockPlan } from '../../blocks/block_plan.ts'
import { BlockSet } from '../../blocks/block_set.ts'
import { VboxmergeError } from '../../errors.ts'
import { checkHeader } from '../../image/vdi/check_header.ts'
import { encodeHeader } from '../../image/vdi/header.ts'
import type { FileStat, Files, OpenFile } from '../../io/files.ts'
import type { Uuid } from '../../machine/machine.ts'
import { cloneBlocks, type OpenSource } from './clone_blocks.ts'
import { type CopiedBlocks, canCopyDataBlocks, copyDataBlocks } from './clone_copy.ts'
import { copyBlocks } from './fold_copy.ts'
import { reserveData } from './fold_fresh.ts'
import { writeTable } from './fold_table.ts'
import { verifyTables } from './fold_verify.ts'

/** An image of a clone that is to be written. */
export interface CloneDiskJob {
  readonly files: Files
  readonly source: OpenSource
  /** Made of `source` and `dead`. */
  readonly plan: BlockPlan
  /** Tells of blocks that need not be written. */
  readonly dead?: ((block: number) => boolean) | undefined
  /** UUID of the new image. */
  readonly id: Uuid
  /** Path of the new file. Nothing may have this name. */
  readonly path: string
  /** Whose owner, group and mode the file gets. Default: private to this user. */
  readonly like?: FileStat | undefined
  readonly signal: AbortSignal | undefined
  readonly onBytes: (bytes: number) => void
  readonly onShared: (bytes: number) => void
}

/**
 * Writes an image that reads like a chain, flushes it, and compares its header and table with the plan. Blocks that
 * turn out to hold nothing but zeros are left out. Its name is durable once its folder is flushed. What is left of it
 * after a failure is the caller's to remove.
 *
 * @returns Blocks of zeros that were left out, beside those that the plan leaves out.
 * @throws {VboxmergeError} `image_corrupt`, `verify_failed`; the signal's reason; an error of the file system.
 */
export async function writeCloneDisk(job: CloneDiskJob): Promise<BlockSet> {
  const { files, source, plan, dead, id, path, like } = job
  const file = await files.open(path, 'create')
  try {
    if (like !== undefined) await file.copyOwner(like)
    await reserveData(plan, file)
    await file.truncate(plan.fileSize)
    const { zeros, slots } = await copyData(job, file)
    const done = cloneBlocks(source, block => dead?.(block) === true || zeros.has(block))
    compareSlots(path, slots, done)
    const { tableOffset, dataOffset, allocatedBlocks } = done
    const header = { ...source.header, id, tableOffset, dataOffset, allocatedBlocks }
    checkHeader(header, path)
    await file.write(encodeHeader(header), 0)
    await writeTable(file, tableOffset, done.table, 0, done.table.length)
    if (done.fileSize !== plan.fileSize) await file.truncate(done.fileSize)
    await file.sync()
    await file.close()
    await verifyTables(files, path, done, header.modification)
    return zeros
  } catch (error) {
    await file.close().catch(() => undefined)
    throw error
  }
}

async function copyData(job: CloneDiskJob, file: OpenFile): Promise<CopiedBlocks> {
  const { source, plan, signal, onBytes, onShared } = job
  const { chain, header } = source
  const images = new Map(chain.map((image, index) => [index, image]))
  const { blockSize, blockExtra } = header
  const layout = { blockSize, blockExtra, dataOffset: plan.dataOffset }
  const work = { plan, images, modification: header.modification, signal, onBytes, onShared }
  if (canCopyDataBlocks(plan)) return await copyDataBlocks(work, file, layout)
  await copyBlocks(work, file, layout)
  return { zeros: new BlockSet(plan.table.length), slots: plan.table }
}

/** The slots were given out block by block; the plan, made anew from what was found, says the same in one go. */
function compareSlots(path: string, slots: Uint32Array, { table, writes }: BlockPlan): void {
  for (const block of writes) {
    if (slots[block] === table[block]) continue
    throw new VboxmergeError(
      'verify_failed',
      `Cannot write "${path}": block ${block} is in slot ${slots[block]}, not ${table[block]} as planned`,
    )
  }
}
