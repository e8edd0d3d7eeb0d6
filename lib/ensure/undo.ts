import { resolve } from 'node:path'
import { type FoundBackup, findBackup } from '../backup/find_backup.ts'
import { unusable } from '../backup/manifest.ts'
import type { UndoPlan } from '../engine/undo/plan_undo.ts'
import { VboxmergeError } from '../errors.ts'
import { failureAfterChange } from '../failure_state.ts'
import { type InspectedMachine, inspect } from '../machine/inspect.ts'
import type { Inspection } from '../machine/inspection.ts'
import { withLock } from '../machine/lock.ts'
import { eachMedium } from '../machine/media_graph.ts'
import type { WithDefaults } from '../options/operation_options.ts'
import { parseOptions } from '../options/parse_options.ts'
import { type EnsureHost, realEnsureHost } from './host.ts'
import { checkUnused } from './machine_use.ts'
import type { UndoOptions } from './options.ts'
import { summarize } from './plan.ts'
import type { EnsureResult, UndoStep, Warning } from './result.ts'
import { findHome, type Session, sessionOf } from './session.ts'

/** As `undoRun`, on the computer that is given. */
export async function undo(
  folder: string,
  options: UndoOptions,
  host: EnsureHost = realEnsureHost,
): Promise<EnsureResult> {
  const checked = parseOptions('undo', options)
  const { signal, lockTimeout: timeout } = checked
  signal?.throwIfAborted()
  const { files } = host
  const backup = await findBackup(files, resolve(host.cwd(), folder))
  const { settingsFile } = backup.manifest.machine
  const home = await findHome(host, checked)
  const session = sessionOf(host, settingsFile, home, checked)
  const call: Call = { host, session, options: checked, backup }
  await refuseMissing(call)
  const seen = await look(call)
  if (seen.plan.isDone) return await resultOf(call, seen, false)
  if (checked.check) {
    await checkRefusals(call, seen)
    return await resultOf(call, seen, true)
  }
  const progress = { isBack: false }
  try {
    return await withLock(files, settingsFile, { timeout, signal }, async () => await goBack(call, progress))
  } catch (error) {
    if (!progress.isBack) throw error
    throw failureAfterChange(error, 'the machine is as it was before that run', signal)
  }
}

interface Call {
  readonly host: EnsureHost
  readonly session: Session
  readonly options: WithDefaults<UndoOptions>
  readonly backup: FoundBackup
}

interface Seen {
  readonly present: InspectedMachine
  readonly plan: UndoPlan
}

/** The lock is made beside the settings, so nothing is done where there are none. */
async function refuseMissing({ host, backup }: Call): Promise<void> {
  const { settingsFile } = backup.manifest.machine
  const isPlain = resolve(settingsFile) === settingsFile && /\.vbox$/i.test(settingsFile)
  if (!isPlain) throw unusable(backup.folder, `${JSON.stringify(settingsFile)} is no path of a machine`)
  if ((await host.files.stat(settingsFile))?.kind === 'file') return
  throw new VboxmergeError(
    'machine_not_found',
    `Cannot go back to the backup ${JSON.stringify(backup.folder)}: its machine is not at ` +
      `${JSON.stringify(settingsFile)} any more; move it there, or take the files from the backup by hand`,
  )
}

async function look({ host, session, options, backup }: Call): Promise<Seen> {
  const { files } = host
  const present = await inspect(files, session.settingsFile, session.vboxUserHome)
  const { planUndo } = await import('../engine/undo/plan_undo.ts')
  return { present, plan: await planUndo(files, backup, present, options.signal) }
}

/** @param progress Is told when the machine is as its backup holds it. */
async function goBack(call: Call, progress: { isBack: boolean }): Promise<EnsureResult> {
  const { host, session, options } = call
  const seen = await look(call)
  if (seen.plan.isDone) return await resultOf(call, seen, false)
  await checkRefusals(call, seen)
  const { registration } = seen.present.inspection
  const belongsIn = registration.registered || seen.plan.backup.manifest.registered
  const manage = belongsIn ? await session.manage() : undefined
  if (belongsIn && manage === undefined) {
    throw new VboxmergeError(
      'unsupported',
      `Cannot go back to the backup ${JSON.stringify(call.backup.folder)}: its machine belongs into VirtualBox, and ` +
        'VBoxManage was not found; say where it is with vboxmanage',
    )
  }
  const { applyUndo } = await import('../engine/undo/apply_undo.ts')
  const total = bytesOf(seen.plan)
  let done = 0
  await applyUndo({
    files: host.files,
    ...seen,
    manage,
    vboxUserHome: session.vboxUserHome,
    lockTimeout: options.lockTimeout,
    signal: options.signal,
    onBytes: bytes => {
      done += bytes
      const subject = seen.plan.kept.name
      options.onProgress?.({ phase: 'undo', subject, done, total, unit: 'bytes' })
    },
  })
  progress.isBack = true
  const result = await resultOf(call, seen, true)
  return { ...result, warnings: await leftovers(call, seen) }
}

/** Images of what was done since the run are not ours to delete. */
async function leftovers({ host }: Call, { present, plan }: Seen): Promise<Warning[]> {
  const named = new Set([...eachMedium(plan.kept.media)].map(({ path }) => path))
  const warnings: Warning[] = []
  for (const { path } of eachMedium(present.inspection.settings.media)) {
    if (named.has(path) || (await host.files.stat(path)) === undefined) continue
    const message = `The image ${JSON.stringify(path)} is in no settings any more; it can be deleted`
    warnings.push({ code: 'leftover_image', message })
  }
  return warnings
}

async function checkRefusals(
  { host, session, options, backup }: Call,
  { present, plan }: Seen,
): Promise<void> {
  const { files, processes } = host
  const { vboxUserHome, manage } = session
  const { manifest, folder } = backup
  if (
    manifest.registered &&
    !present.inspection.registration.registered &&
    !(await isSameHome(files, manifest.vboxUserHome, vboxUserHome))
  ) {
    throw unusable(
      folder,
      `its machine was registered in the VirtualBox with the settings folder ${JSON.stringify(manifest.vboxUserHome)}; ` +
        'name that with vboxUserHome',
    )
  }
  refuseShared(backup.folder, present.inspection)
  await checkUnused(present.inspection, {
    files,
    manage,
    vboxUserHome,
    // Whoever only asks does not wait.
    lockTimeout: options.check ? 0 : options.lockTimeout,
    signal: options.signal,
    ...(processes === undefined ? {} : { processes }),
  })
  if (plan.changed === undefined || options.discardChanges) return
  throw unusable(folder, `${plan.changed}, and that would be lost; discardChanges goes back all the same`)
}

/** A clone that hangs on an image would read other data through it, or none. */
function refuseShared(folder: string, { settings, sharedWith }: Inspection): void {
  for (const { id, path } of eachMedium(settings.media)) {
    const other = sharedWith.get(id)
    if (other === undefined) continue
    throw new VboxmergeError(
      'linked_clone',
      `Cannot go back to the backup ${JSON.stringify(folder)}: image ${JSON.stringify(path)} is also used by the machine ` +
        `${JSON.stringify(other)}; clone that machine in full, or remove it, first`,
    )
  }
}

async function isSameHome(files: EnsureHost['files'], one: string, other: string): Promise<boolean> {
  return ((await files.realPath(one)) ?? one) === ((await files.realPath(other)) ?? other)
}

async function resultOf(
  { host, session, options, backup }: Call,
  { present, plan }: Seen,
  changed: boolean,
): Promise<EnsureResult> {
  const before = present.inspection
  const isDone = changed && !options.check
  const after = isDone
    ? (await inspect(host.files, session.settingsFile, session.vboxUserHome)).inspection
    : before
  const { name, id, file } = after.settings
  return {
    changed,
    machine: { name, id, settingsFile: file, registered: after.registration.registered },
    engine: 'direct',
    engineReason: 'Files are brought back',
    steps: changed ? [stepOf(plan, summarize(before).bytes)] : [],
    before: summarize(before),
    after: changed && options.check ? backup.manifest.before : summarize(after),
    sharedBytes: 0,
    volumes: [],
    warnings: [],
    backup: backup.folder,
  }
}

function stepOf(plan: UndoPlan, presentBytes: number): UndoStep {
  const { folder, manifest } = plan.backup
  const bytes = bytesOf(plan)
  return {
    kind: 'undo',
    backup: folder,
    madeAt: manifest.madeAt,
    files: plan.restore.length + 1,
    forecast: { readBytes: bytes, writtenBytes: bytes, freedBytes: presentBytes - manifest.before.bytes },
  }
}

function bytesOf({ restore }: UndoPlan): number {
  return restore.reduce((sum, { size }) => sum + size, 0)
}
