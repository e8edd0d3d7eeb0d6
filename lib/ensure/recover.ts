import { finishCloneRun } from '../engine/choose_clone.ts'
import { VboxmergeError } from '../errors.ts'
import { failureAfterChange } from '../failure_state.ts'
import { removeIfThere } from '../io/durable_file.ts'
import { awayNotePath } from '../machine/away_note.ts'
import { readCloneJournal } from '../machine/clone_journal.ts'
import { CLONE_NAME, decodeCloneStamp } from '../machine/clone_stamp.ts'
import { inspect } from '../machine/inspect.ts'
import type { Inspection } from '../machine/inspection.ts'
import { withLock } from '../machine/lock.ts'
import { loadRegistry } from '../machine/registry.ts'
import { parseOptions } from '../options/parse_options.ts'
import { ensureWanted } from './ensure_wanted.ts'
import { type EnsureHost, realEnsureHost } from './host.ts'
import type { RecoverOptions } from './options.ts'
import { summarize } from './plan.ts'
import type { EnsureResult, RecoverStep } from './result.ts'
import { openSession, type Session } from './session.ts'
import { isNotedAway } from './unfinished.ts'
import { NOTHING } from './wanted.ts'

/** As `recoverMachine`, on the computer that is given. */
export async function recover(
  machine: string,
  options: RecoverOptions,
  host: EnsureHost = realEnsureHost,
): Promise<EnsureResult> {
  const checked = parseOptions('recover', options)
  const engine = { engine: 'auto', registration: 'auto' } as const
  const result = await ensureWanted(machine, NOTHING, { ...checked, ...engine }, host)
  if (result.skipped !== undefined) return result
  const session = await openSession(host, machine, checked)
  // In check mode the interrupted run of the first step is there still, and that step is about its note, too.
  const covered = result.steps.some(step => step.kind === 'recover')
  const done = { steps: checked.check === true ? 0 : result.steps.length }
  try {
    const steps = await finishRest(host, session, { ...checked, covered, done })
    if (steps.length === 0) return result
    const { inspection } = await inspect(host.files, session.settingsFile, session.vboxUserHome)
    return {
      ...result,
      changed: true,
      steps: [...result.steps, ...steps],
      machine: {
        ...result.machine,
        registered: inspection.registration.registered || checked.check === true,
      },
      after: checked.check === true ? result.after : summarize(inspection),
    }
  } catch (error) {
    if (done.steps === 0) throw error
    const before = 'what was finished before that stays'
    throw failureAfterChange(error, before, checked.signal, done.steps)
  }
}

interface RestOptions {
  readonly check: boolean
  readonly lockTimeout: number
  readonly signal?: AbortSignal
  /** Whether the note in VirtualBox's folder was dealt with already. */
  readonly covered: boolean
  /** Counts what was finished, also when something fails. */
  readonly done: { steps: number }
}

/** What no journal of the machine itself tells of: a note in VirtualBox's folder, the journal of a clone. */
async function finishRest(
  host: EnsureHost,
  session: Session,
  { check, lockTimeout, signal, covered, done }: RestOptions,
): Promise<RecoverStep[]> {
  const { files } = host
  const { settingsFile, vboxUserHome } = session
  const look = async (): Promise<{ machine: Inspection; away: boolean; cloned: boolean }> => {
    const { inspection: machine } = await inspect(files, settingsFile, vboxUserHome)
    const away = !covered && (await isNotedAway(files, machine, vboxUserHome))
    return { machine, away, cloned: (await readCloneJournal(files, settingsFile)) !== undefined }
  }
  const seen = await look()
  if (!seen.away && !seen.cloned) return []
  if (check) return stepsOf(seen)
  return await withLock(files, settingsFile, { timeout: lockTimeout, signal }, async () => {
    const found = await look()
    if (found.cloned) {
      await finishClone(host, session, found.machine)
      done.steps++
    }
    if (found.away) {
      await putBack(host, session, found.machine)
      done.steps++
    }
    return stepsOf(found)
  })
}

function stepsOf({ away, cloned }: { readonly away: boolean; readonly cloned: boolean }): RecoverStep[] {
  const forecast = { readBytes: 0, writtenBytes: 0, freedBytes: 0 }
  const reasons = [
    ...(cloned ? ['A run that made this clone was interrupted; what it left is removed'] : []),
    ...(away ? ['An earlier run was interrupted while the machine was out of VirtualBox'] : []),
  ]
  return reasons.map(reason => ({ kind: 'recover', reason, forecast }))
}

/** Registers a machine that a run left outside of VirtualBox, and forgets the note of that. */
async function putBack({ files }: EnsureHost, session: Session, machine: Inspection): Promise<void> {
  await register(session, machine)
  await removeIfThere(files, awayNotePath(session.vboxUserHome, machine.settings.id))
  await files.syncFolder(session.vboxUserHome)
}

async function register(session: Session, { settings, registration }: Inspection): Promise<void> {
  if (registration.registered) return
  const manage = await session.manage()
  if (manage === undefined) {
    throw new VboxmergeError(
      'unsupported',
      `Cannot register ${JSON.stringify(settings.name)} again: VBoxManage was not found; say where it is with ` +
        'vboxmanage',
    )
  }
  await manage.register(settings.file)
}

async function finishClone({ files }: EnsureHost, session: Session, machine: Inspection): Promise<void> {
  const { settings } = machine
  const journal = await readCloneJournal(files, settings.file)
  if (journal === undefined) return
  const source = decodeCloneStamp(settings.extraData.get(CLONE_NAME))?.source
  const { machines } = await loadRegistry(files, session.vboxUserHome)
  if (machines.some(({ id }) => id === source)) await register(session, machine)
  await finishCloneRun(files, settings, journal)
}
