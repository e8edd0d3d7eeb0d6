import { VboxmergeError } from '../../errors.ts'
import type { Medium } from '../../machine/machine.ts'
import { printable } from '../../virtualbox/printable.ts'
import { callOptions, type VirtualBoxRun } from './virtualbox_run.ts'

/**
 * Makes VirtualBox look at image files again before it works with them. What it remembers of their sizes is
 * wrong after a resize, and after a merge that enlarged an image: it would merge with the old size and lose
 * what lies behind it (7.2.22, measured).
 *
 * @param action what is wanted, behind "Cannot"
 * @param media parents first
 * @throws {VboxmergeError} `image_missing`; `engine_failed` when VirtualBox cannot read an image
 */
export async function lookAgain(
  run: VirtualBoxRun,
  action: string,
  media: Iterable<Pick<Medium, 'id' | 'path'>>,
): Promise<void> {
  for (const { id, path } of media) {
    const { accessible, problem } = await run.manage.mediumInfo(id, callOptions(run))
    if (accessible) continue
    const isMissing = (await run.files.stat(path)) === undefined
    throw new VboxmergeError(
      isMissing ? 'image_missing' : 'engine_failed',
      `Cannot ${action}: VirtualBox cannot read the image "${printable(path)}": ${problem ?? 'no reason given'}; ` +
        'see that the file is there and that VirtualBox may read it, then run the same command again',
    )
  }
}
