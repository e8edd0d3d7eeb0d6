import { join } from 'node:path'
import { VboxmergeError } from '../../errors.ts'
import { removeIfThere, replaceFile } from '../../io/durable_file.ts'
import { awayNotePath, encodeAwayNote } from '../../machine/away_note.ts'
import type { MachineSettings, Uuid } from '../../machine/machine.ts'
import { chainOf, eachMedium, eachState, indexMedia } from '../../machine/media_graph.ts'
import { loadRegistry } from '../../machine/registry.ts'
import type { Manage } from '../../virtualbox/manage.ts'
import type { Prepared } from '../prepared.ts'
import type { DirectRun } from './direct_run.ts'
import { type ForgetContext, forgetImages } from './forget_images.ts'
import { removeJournal, writeJournal } from './journal_file.ts'
import { registrationJournal } from './journal_of_run.ts'

/** What work in the window left. */
export interface WindowOutcome {
  /** The machine's settings as they are on disk now. */
  readonly settings: MachineSettings
}

/**
 * Takes a machine out of VirtualBox for the time of some work, and registers it again whatever happens.
 * A journal tells that it belongs in there, should the process die in between.
 *
 * @param work Is handed the machine as it is once VirtualBox has let go of it.
 * @throws {VboxmergeError} `machine_locked` when a session holds the machine, `engine_failed` when it cannot
 * be registered again; else what `work` throws.
 */
export async function withoutRegistration<T extends WindowOutcome>(
  run: DirectRun,
  work: (prepared: Prepared) => Promise<T>,
): Promise<T> {
  const { inspection, journal: old } = run.prepared.machine
  const { settings, registration } = inspection
  const { manage } = run
  if (manage === undefined) {
    throw new VboxmergeError(
      'unsupported',
      `Cannot change ${JSON.stringify(settings.name)}: it is registered with VirtualBox, and VBoxManage was not ` +
        'found to take it out for the time of the work; say where it is with vboxmanage=PATH',
    )
  }
  let prepared = run.prepared
  const context = { files: run.files, manage, vboxUserHome: run.vboxUserHome }
  if (registration.registered) {
    await writeJournal(run.files, settings.file, registrationJournal(run, old))
    try {
      await noteAway(run)
      await manage.unregister(settings.id, callOptions(run))
    } catch (error) {
      // VBoxManage may have done its work and say that it failed.
      if (!(await isListed(run))) await registerAfterFailure(context, prepared, error)
      await forgetAfterFailure(run, error)
      // The one that is there asks for no less.
      await restoreJournal(run).catch(() => undefined)
      throw error
    }
  }
  let outcome: T
  try {
    if (registration.registered) {
      await forgetImages(context, ownImages(prepared))
      prepared = await run.prepareAgain(old === undefined)
    }
    outcome = await work(prepared)
  } catch (error) {
    await registerAfterFailure(context, prepared, error)
    await forgetAfterFailure(run, error)
    throw error
  }
  await forgetImages(context, ownImages(prepared))
  await register(manage, outcome.settings)
  await forgetAway(run)
  return outcome
}

/** While VirtualBox does not know the machine, its name is found through a note in VirtualBox's folder. */
async function noteAway({ files, prepared, vboxUserHome }: DirectRun): Promise<void> {
  const { settings } = prepared.machine.inspection
  const path = awayNotePath(vboxUserHome, settings.id)
  await replaceFile(
    files,
    path,
    encodeAwayNote(settings.id, settings.file),
    join(vboxUserHome, 'VirtualBox.xml'),
  )
}

async function forgetAway({ files, prepared, vboxUserHome }: DirectRun): Promise<void> {
  // Flushed: once the journal is gone no run would come back for a note that a power failure brings back.
  if (await removeIfThere(files, awayNotePath(vboxUserHome, prepared.machine.inspection.settings.id))) {
    await files.syncFolder(vboxUserHome)
  }
}

/** False also when that cannot be known: then VirtualBox is told to register the machine, and says what it thinks. */
async function isListed({ files, prepared, vboxUserHome }: DirectRun): Promise<boolean> {
  try {
    const { machines } = await loadRegistry(files, vboxUserHome)
    return machines.some(({ id }) => id === prepared.machine.inspection.settings.id)
  } catch {
    return false
  }
}

/** Puts the journal back as it was before this run, when there was one. */
async function restoreJournal(run: DirectRun): Promise<void> {
  const { inspection, journal: old } = run.prepared.machine
  if (old === undefined) await removeJournal(run.files, inspection.settings.file)
  else await writeJournal(run.files, inspection.settings.file, old)
}

function callOptions(run: DirectRun): { readonly lockTimeout: number; readonly signal?: AbortSignal } {
  return { lockTimeout: run.lockTimeout, ...(run.signal === undefined ? {} : { signal: run.signal }) }
}

/** Images that the settings named before the work, and those that an interrupted run meant to remove. */
function ownImages({ machine }: Prepared): Set<Uuid> {
  const { settings, interrupted } = machine.inspection
  const listed = [...eachMedium(settings.media)].map(({ id }) => id)
  return new Set([...listed, ...(interrupted?.unwanted ?? [])])
}

async function registerAfterFailure(
  context: ForgetContext,
  prepared: Prepared,
  error: unknown,
): Promise<void> {
  const { settings } = prepared.machine.inspection
  try {
    await forgetImages(context, ownImages(prepared))
    await context.manage.register(settings.file)
  } catch (cause) {
    throw new VboxmergeError(
      'engine_failed',
      `${messageOf(error)}\nThe machine could not be registered with VirtualBox again either; run the same command again, ` +
        `or: VBoxManage registervm ${JSON.stringify(settings.file)}`,
      { cause },
    )
  }
}

/** The journal stays as long as the note: without it no run would look for one. */
async function forgetAfterFailure(run: DirectRun, error: unknown): Promise<void> {
  try {
    await forgetAway(run)
  } catch (cause) {
    throw new VboxmergeError(
      'engine_failed',
      `${messageOf(error)}\nThe note that the machine was away could not be removed from ` +
        `${JSON.stringify(run.vboxUserHome)} either (${messageOf(cause)}); run the same command again`,
      { cause },
    )
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Registers the machine and has VirtualBox open every image, root first, so that it finds what is wrong at once. */
async function register(manage: Manage, settings: MachineSettings): Promise<void> {
  await manage.register(settings.file)
  const media = indexMedia([settings.media])
  const asked = new Set<string>()
  for (const { state } of eachState(settings)) {
    for (const { image } of state.attachments) {
      for (const medium of chainOf(media, image)) {
        if (asked.has(medium.id)) continue
        asked.add(medium.id)
        await manage.mediumInfo(medium.id)
      }
    }
  }
}
