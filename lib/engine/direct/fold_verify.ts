import type { BlockPlan } from '../../blocks/block_plan.ts'
import { VboxmergeError } from '../../errors.ts'
import type { OpenImage } from '../../image/image.ts'
import { openImage } from '../../image/open_image.ts'
import { checkTable, readTable } from '../../image/vdi/block_table.ts'
import type { Files } from '../../io/files.ts'
import type { Uuid } from '../../machine/machine.ts'

/**
 * Reads header and block table of a folded image from its path and compares them with the plan.
 *
 * @param modification The modification UUID that the fold wrote; undefined when the plan changed nothing.
 * @throws `verify_failed` naming the first difference; `image_corrupt` when the image cannot be read.
 */
export async function verifyTables(
  files: Files,
  path: string,
  plan: BlockPlan,
  modification: Uuid | undefined,
): Promise<void> {
  const image = await openImage(files, path, 'read')
  try {
    compareHeader(image, plan, modification)
    const table = await readTable(image)
    compareTable(path, table, plan.table)
    checkTable(image.header, table, image.fileSize, path)
  } finally {
    await image.file.close()
  }
}

function compareHeader(
  { header, path, fileSize }: OpenImage,
  plan: BlockPlan,
  modification: Uuid | undefined,
): void {
  const facts: readonly (readonly [name: string, found: unknown, wanted: unknown])[] = [
    ['capacity', header.capacity, plan.capacity],
    ['number of blocks', header.blockCount, plan.table.length],
    ['number of allocated blocks', header.allocatedBlocks, plan.allocatedBlocks],
    ['place of the block table', header.tableOffset, plan.tableOffset],
    ['place of the data', header.dataOffset, plan.dataOffset],
    ['modification UUID', header.modification, modification ?? header.modification],
    ['length', fileSize, plan.fileSize],
  ]
  for (const [name, found, wanted] of facts) {
    if (found !== wanted) throw failed(path, `its ${name} is ${found}, not ${wanted} as planned`)
  }
}

function compareTable(path: string, found: Uint32Array, wanted: Uint32Array): void {
  for (let block = 0; block < wanted.length; block++) {
    if (found[block] === wanted[block]) continue
    throw failed(path, `the entry of block ${block} is ${found[block]}, not ${wanted[block]} as planned`)
  }
}

function failed(path: string, problem: string): VboxmergeError {
  const help = 'keep all files of the machine and run the same command again'
  return new VboxmergeError(
    'verify_failed',
    `Cannot confirm the fold into ${JSON.stringify(path)}: ${problem}; ${help}`,
  )
}
