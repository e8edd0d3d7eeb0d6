import { VboxmergeError } from '../errors.ts'
import { eachSnapshot } from '../machine/media_graph.ts'
import { summarize } from './plan.ts'
import { type PrepareContext, type PreparedRun, prepare } from './prepare.ts'

/**
 * Looks at a machine again after a run and compares it with what was planned.
 *
 * @returns The machine as it is now.
 * @throws {VboxmergeError} `verify_failed` naming what is not as planned.
 */
export async function verifyOutcome(context: PrepareContext, done: PreparedRun): Promise<PreparedRun> {
  const { signal: _stopsNothingAnyMore, ...rest } = context
  const after = await prepare({ ...rest, signal: undefined }, done).catch((error: unknown) => {
    // A refusal would say that nothing was changed.
    throw error instanceof VboxmergeError ? unlike(done, error.message, error) : error
  })
  const { settings } = after.machine.inspection
  const gone = new Map(
    [...done.plan.tree.merged, ...done.plan.tree.discarded].map(({ id, name }) => [id, name]),
  )
  for (const { id, name } of eachSnapshot(settings.rootSnapshot)) {
    if (gone.has(id)) throw unlike(done, `the snapshot ${JSON.stringify(name)} {${id}} is still there`)
  }
  const mayGoOn = Number.isFinite(context.wanted.merged?.count ?? Number.POSITIVE_INFINITY)
  const open = after.plan.steps.filter(step => !mayGoOn || step.kind === 'recover')
  if (open.length > 0) {
    throw unlike(done, `there is still something to do: ${open.map(step => step.kind).join(', ')}`)
  }
  if (done.plan.after.exact) compareFigures(done, after)
  return after
}

function compareFigures(done: PreparedRun, after: PreparedRun): void {
  const expected = done.plan.after
  const found = summarize(after.machine.inspection)
  for (const key of ['snapshots', 'images', 'bytes', 'allocatedBytes', 'state'] as const) {
    if (expected[key] !== found[key]) {
      throw unlike(done, `${key} is ${found[key]}, and ${expected[key]} was expected`)
    }
  }
}

function unlike(done: PreparedRun, found: string, cause?: unknown): VboxmergeError {
  const name = JSON.stringify(done.machine.inspection.settings.name)
  return new VboxmergeError(
    'verify_failed',
    `The work on ${name} is done, but its outcome is not as planned: ${found}; do not start the machine before ` +
      'its disks were looked at (vboxmerge info)',
    { changed: true, ...(cause === undefined ? {} : { cause }) },
  )
}
