import { VboxmergeError } from '../errors.ts'
import type { StateSettings } from '../machine/machine.ts'
import { eachState } from '../machine/media_graph.ts'
import { type DigestContext, digestDisks } from './digest_disks.ts'
import type { PreparedRun } from './prepare.ts'
import type { DiskDigest, Warning } from './result.ts'

/** What the disks must read as when a run is over. */
export interface ExpectedContent {
  readonly digests: readonly DiskDigest[]
  readonly warnings: readonly Warning[]
}

/**
 * Reads the disks of the state that will be the current one, for a run whose work is VirtualBox's: what that writes on
 * its way cannot be looked at in between.
 *
 * @throws {VboxmergeError} `image_corrupt`, `image_missing`, `unsupported`; the signal's reason.
 */
export async function expectContent(
  context: DigestContext,
  { machine, plan }: PreparedRun,
): Promise<ExpectedContent> {
  const { inspection } = machine
  const { restore } = plan.tree
  let state: StateSettings = inspection.settings.currentState
  if (restore !== undefined) {
    for (const { id, state: other } of eachState(inspection.settings)) if (id === restore.id) state = other
  }
  const digests = await digestDisks(context, inspection, state)
  const left = state.attachments.filter(({ image }) => !digests.some(digest => digest.image === image))
  const warnings = left.map(({ controller, port, device }) => ({
    code: 'not_verified',
    message: `Not compared: the disk at ${controller} ${port}:${device}, whose images only VirtualBox reads`,
  }))
  return { digests, warnings }
}

/**
 * Compares the disks of the current state with what they must read as.
 *
 * @throws {VboxmergeError} `verify_failed` naming the first disk that differs; as above.
 */
export async function compareContent(
  context: DigestContext,
  { digests }: ExpectedContent,
  { machine }: PreparedRun,
): Promise<void> {
  const found = await digestDisks(context, machine.inspection)
  for (const { controller, port, device, sha256 } of digests) {
    const disk = found.find(
      one => one.controller === controller && one.port === port && one.device === device,
    )
    if (disk?.sha256 === sha256) continue
    throw new VboxmergeError(
      'verify_failed',
      `The work on ${JSON.stringify(machine.inspection.settings.name)} is done, but the disk at ${controller} ` +
        `${port}:${device} does not read as it did before; VirtualBox has deleted the merged images already; go back ` +
        'to a backup',
      { changed: true },
    )
  }
}
