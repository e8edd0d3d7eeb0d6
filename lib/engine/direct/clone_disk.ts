import type { BlockPlan } from '../../blocks/block_plan.ts'
import { checkHeader } from '../../image/vdi/check_header.ts'
import { encodeHeader } from '../../image/vdi/header.ts'
import type { FileStat, Files } from '../../io/files.ts'
import type { Uuid } from '../../machine/machine.ts'
import type { OpenSource } from './clone_blocks.ts'
import { copyBlocks } from './fold_copy.ts'
import { writeTable } from './fold_table.ts'
import { verifyTables } from './fold_verify.ts'

/** An image of a clone that is to be written. */
export interface CloneDiskJob {
  readonly files: Files
  readonly source: OpenSource
  readonly plan: BlockPlan
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
 * Writes an image that reads like a chain, flushes it, and compares its header and table with the plan. Its name
 * is durable once its folder is flushed. What is left of it after a failure is the caller's to remove.
 *
 * @throws {VboxmergeError} `image_corrupt`, `verify_failed`; the signal's reason; an error of the file system.
 */
export async function writeCloneDisk(job: CloneDiskJob): Promise<void> {
  const { files, source, plan, id, path, like, signal, onBytes, onShared } = job
  const { tableOffset, dataOffset, allocatedBlocks } = plan
  const header = { ...source.header, id, tableOffset, dataOffset, allocatedBlocks }
  checkHeader(header, path)
  const images = new Map(source.chain.map((image, index) => [index, image]))
  const file = await files.open(path, 'create')
  try {
    if (like !== undefined) await file.copyOwner(like)
    await file.truncate(plan.fileSize)
    await file.write(encodeHeader(header), 0)
    await writeTable(file, tableOffset, plan.table, 0, plan.table.length)
    await copyBlocks(
      { plan, images, modification: header.modification, signal, onBytes, onShared },
      file,
      header,
    )
    await file.sync()
  } finally {
    await file.close()
  }
  await verifyTables(files, path, plan, header.modification)
}
