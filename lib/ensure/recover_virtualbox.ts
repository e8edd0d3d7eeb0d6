import { finishDeletion as finish, isDeletionUnfinished } from '../engine/unfinished_deletion.ts'
import { inspect } from '../machine/inspect.ts'
import { withLock } from '../machine/lock.ts'
import type { EnsureHost } from './host.ts'
import { summarize } from './plan.ts'
import type { EnsureResult, RecoverStep, Warning } from './result.ts'
import type { Session } from './session.ts'

/** How to wait for a machine. */
export interface Patience {
  /** Seconds. */
  readonly lockTimeout: number
  readonly signal?: AbortSignal
}

/** What was finished of a run of the `virtualbox` engine in which VirtualBox died. */
export interface FinishedDeletion {
  readonly step: RecoverStep
  readonly warnings: readonly Warning[]
}

/** Why a machine whose snapshot VirtualBox was deleting needs work. */
export const DELETION_REASON =
  'VirtualBox died while it deleted a snapshot; the settings are made to fit the images again'

/** How the failure of what comes next goes on. */
export const DELETION_FINISHED =
  'before that, what VirtualBox had begun when it died was finished: the settings fit the images again, which stays'

/** What is told of settings that VirtualBox was saving when it died. */
export const SAVE_STEP: RecoverStep = {
  kind: 'recover',
  reason: 'VirtualBox died while it saved its settings; what it had written has its name now',
  forecast: { readBytes: 0, writtenBytes: 0, freedBytes: 0 },
}

/** How the failure of what comes next goes on. */
export const SAVE_FINISHED =
  'before that, settings that VirtualBox was saving when it died were given their name, which stays'

const STEP: RecoverStep = {
  kind: 'recover',
  reason: DELETION_REASON,
  forecast: { readBytes: 0, writtenBytes: 0, freedBytes: 0 },
}

/** Tells whether VirtualBox died while it deleted a snapshot for us. */
export async function hasUnfinishedDeletion(host: EnsureHost, session: Session): Promise<boolean> {
  return await isDeletionUnfinished(host.files, session.settingsFile)
}

/** Makes the settings fit the images again after VirtualBox died while it deleted a snapshot. */
export async function finishDeletion(
  host: EnsureHost,
  session: Session,
  { lockTimeout, signal }: Patience,
): Promise<FinishedDeletion> {
  const { files } = host
  const { settingsFile, vboxUserHome } = session
  return await withLock(files, settingsFile, { timeout: lockTimeout, signal }, async () => {
    const { inspection } = await inspect(files, settingsFile, vboxUserHome)
    const manage = inspection.registration.registered ? await session.manage() : undefined
    const machineId = inspection.settings.id
    const leftovers = await finish({ files, settingsFile, machineId, manage, lockTimeout })
    const warnings = leftovers.map(path => ({
      code: 'leftover_image',
      message: `The image ${JSON.stringify(path)} was merged and is in no settings any more; it can be deleted`,
    }))
    return { step: STEP, warnings }
  })
}

/** What check mode says of a machine whose settings do not fit its images yet. */
export async function forecastDeletion(host: EnsureHost, session: Session): Promise<EnsureResult> {
  const { inspection } = await inspect(host.files, session.settingsFile, session.vboxUserHome)
  const { settings, registration } = inspection
  const before = summarize(inspection)
  return {
    changed: true,
    machine: {
      name: settings.name,
      id: settings.id,
      settingsFile: settings.file,
      registered: registration.registered,
    },
    engine: 'virtualbox',
    engineReason:
      'VirtualBox died while it deleted a snapshot; that is finished first, and the rest planned then',
    steps: [STEP],
    before,
    after: { ...before, exact: false },
    sharedBytes: 0,
    volumes: [],
    warnings: [],
  }
}
