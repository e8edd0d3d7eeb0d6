import { Buffer } from 'node:buffer'
import { basename, dirname } from 'node:path'
import { VboxmergeError } from '../errors.ts'
import type { Files } from '../io/files.ts'
import type { Uuid } from '../machine/machine.ts'
import { FRESH_SUFFIX } from './direct/clean_up.ts'
import type { Prepared } from './prepared.ts'

/** Bytes of the longest file name that common file systems take. */
const LONGEST_NAME = 255

/**
 * Checks that a plan of the direct engine is not to write where this user may not: once the snapshots are off the
 * settings, it would be too late to find that out.
 *
 * @throws {VboxmergeError} `unsupported` naming the file or folder.
 */
export async function checkWritable(files: Files, prepared: Prepared): Promise<void> {
  const { images, settings } = prepared.machine.inspection
  const { tree } = prepared.plan
  const pathsOf = (ids: readonly Uuid[]): string[] => ids.flatMap(id => images.get(id)?.medium.path ?? [])
  const refuse = (found: string): never => {
    throw new VboxmergeError('unsupported', `Cannot change ${JSON.stringify(settings.name)}: ${found}`)
  }
  const { folds } = prepared.measured
  const targets = folds.flatMap(({ paths }) => paths.range.slice(0, 1))
  const relinked = pathsOf(tree.folds.flatMap(({ children }) => children))
  for (const path of [...targets, ...relinked]) {
    if (await files.mayWrite(path)) continue
    refuse(
      `this user may not write to the image ${JSON.stringify(path)}; run as its owner, or make it writable (chmod u+w, chattr -i, or a mount that is not read-only)`,
    )
  }
  const fresh = folds.filter(({ isFresh }) => isFresh).flatMap(({ paths }) => paths.range.slice(0, 1))
  for (const path of fresh) {
    if (Buffer.byteLength(basename(path) + FRESH_SUFFIX) <= LONGEST_NAME) continue
    refuse(
      `a new file is to take the place of the image ${JSON.stringify(path)}, and with ${JSON.stringify(FRESH_SUFFIX)} ` +
        'behind it that name is too long; give the image a shorter name (VBoxManage modifymedium --move)',
    )
  }
  const removed = pathsOf([...tree.folds.flatMap(fold => fold.images.slice(1)), ...tree.deleted])
  for (const folder of new Set([...fresh, ...removed].map(path => dirname(path)))) {
    if (await files.mayWrite(folder)) continue
    refuse(`this user may not make or remove files in the folder ${JSON.stringify(folder)}; run as its owner`)
  }
}
