import { dirname, join } from 'node:path'
import type { ClonePlan } from '../../ensure/plan_clone.ts'
import type { Progress } from '../../ensure/progress.ts'
import { EXIT_STATUS, VboxmergeError } from '../../errors.ts'
import { failureAfterChange, isStop, stopped } from '../../failure_state.ts'
import { randomUuid } from '../../image/uuid.ts'
import { removeIfThere, writeNewFile } from '../../io/durable_file.ts'
import { isFull } from '../../io/errno.ts'
import type { Files } from '../../io/files.ts'
import { type CloneJournal, type StagedFile, stagedPath } from '../../machine/clone_journal.ts'
import { type CloneMedium, cloneSettings } from '../../machine/clone_settings.ts'
import { encodeCloneStamp } from '../../machine/clone_stamp.ts'
import type { InspectedMachine } from '../../machine/inspect.ts'
import type { MachineSettings, Uuid } from '../../machine/machine.ts'
import { eachMedium } from '../../machine/media_graph.ts'
import { MAX_NVRAM_BYTES } from '../../machine/own_files.ts'
import { readSettings } from '../../machine/read_settings.ts'
import { parseSettings, type SettingsDocument, serializeSettings } from '../../machine/settings_document.ts'
import { hashOf } from '../../machine/settings_hash.ts'
import type { Manage } from '../../virtualbox/manage.ts'
import { printable } from '../../virtualbox/printable.ts'
import { type MeasuredDisk, withoutZeros } from '../measure_clone.ts'
import { cloneBlocks, openSource } from './clone_blocks.ts'
import { comingSettingsPath, finishClone, undoClone, writeCloneJournal } from './clone_clean_up.ts'
import { writeCloneDisk } from './clone_disk.ts'
import { forgetImages } from './forget_images.ts'
import { likeMachine } from './new_images.ts'
import { confirmClone } from './verify_view.ts'

/** A clone that is to be made. The caller holds the locks of the source and of the clone. */
export interface CloneRun {
  readonly files: Files
  readonly source: InspectedMachine
  readonly plan: ClonePlan
  readonly disks: readonly MeasuredDisk[]
  /** Of the state that is cloned. */
  readonly fingerprint: string
  /** What an interrupted run noted. */
  readonly journal: CloneJournal | undefined
  /** The clone that is there already. */
  readonly present: { readonly settings: MachineSettings; readonly registered: boolean } | undefined
  /** Whether the clone belongs into VirtualBox, as the source does. */
  readonly registers: boolean
  /** Undefined where neither clone is known to VirtualBox. */
  readonly manage: Manage | undefined
  readonly vboxUserHome: string
  readonly lockTimeout: number
  readonly onProgress: (progress: Progress) => void
  /** Is told of bytes that files share instead of having a copy each. */
  readonly onShared: (bytes: number) => void
  readonly signal: AbortSignal | undefined
  /** `full` compares what the disks read as, too. */
  readonly verify: 'tables' | 'full'
  /** Is called once the source is not read any more; throws when it changed meanwhile. */
  readonly leaveSource: () => Promise<void>
}

/**
 * Makes a clone: its files under names of their own, then under their final ones, and as its last act the `.vbox`
 * that names them, by a rename. Until then there is nothing that looks like a machine, or the clone that was there
 * before; what was written is removed again when it fails.
 *
 * @returns The disks as they were written.
 * @throws {VboxmergeError} `image_corrupt`, `verify_failed`, `engine_failed`; what `leaveSource` throws; the signal's
 * reason.
 */
export async function applyClone(run: CloneRun): Promise<readonly MeasuredDisk[]> {
  const { files, plan, present, manage } = run
  const { settingsFile } = plan.place
  if (plan.action === 'finish') {
    await run.leaveSource()
    if (present === undefined) return run.disks
    if (!present.registered) await register(run, present.settings)
    if (run.journal !== undefined) await finishClone(files, present.settings, run.journal)
    return run.disks
  }
  const variables =
    plan.nvram === undefined ? undefined : await files.readFile(plan.nvram.from, MAX_NVRAM_BYTES)
  const journal = journalOf(run, variables)
  const written = { committed: false, cleaned: false }
  if (run.journal !== undefined) {
    // With the settings of that run's clone in place it had come past its commit.
    if (present?.settings.id === run.journal.clone) await finishClone(files, present.settings, run.journal)
    else await undoClone(files, settingsFile, run.journal)
    written.cleaned = true
  }
  try {
    await writeCloneJournal(files, settingsFile, journal, run.source.inspection.settings.file)
    const { coming, disks } = await writeFiles(run, journal, variables)
    const replaces = present?.registered === true && manage !== undefined ? present.settings : undefined
    if (replaces !== undefined) await manage?.unregister(replaces.id, callOptions(run))
    try {
      await files.rename(comingSettingsPath(settingsFile), settingsFile)
      written.committed = true
      await files.syncFolder(dirname(settingsFile))
    } catch (error) {
      if (replaces !== undefined && !written.committed) await manage?.register(settingsFile)
      throw error
    }
    const settings = readSettings(coming)
    if (replaces !== undefined) await forget(run, replaces)
    await register(run, settings)
    await finishClone(files, settings, journal)
    return disks
  } catch (error) {
    // What cannot be removed now is removed by the next run.
    if (!written.committed) await undoClone(files, settingsFile, journal).catch(() => undefined)
    throw explained(run, error, written)
  }
}

/** How far a run came. */
interface Written {
  /** Whether the clone has its settings. */
  readonly committed: boolean
  /** Whether what an interrupted run had left was removed. */
  readonly cleaned: boolean
}

function journalOf({ plan }: CloneRun, variables: Uint8Array | undefined): CloneJournal {
  const created = plan.disks.map(({ name }): StagedFile => {
    return { kind: 'image', id: randomUuid(), name, sha256: undefined }
  })
  if (plan.nvram !== undefined && variables !== undefined) {
    created.push({ kind: 'nvram', id: randomUuid(), name: plan.nvram.name, sha256: hashOf(variables) })
  }
  return { clone: randomUuid(), created, deletes: plan.deletes }
}

/** A clone before its commit. */
interface WrittenClone {
  readonly coming: SettingsDocument
  readonly disks: readonly MeasuredDisk[]
}

/** Writes all files of the clone but the commit itself. */
async function writeFiles(
  run: CloneRun,
  journal: CloneJournal,
  variables: Uint8Array | undefined,
): Promise<WrittenClone> {
  const { files, source, plan, signal } = run
  const { settingsFile } = plan.place
  const images = journal.created.filter(({ kind }) => kind === 'image')
  const disks: MeasuredDisk[] = []
  for (const [index, image] of images.entries()) disks.push(await writeDisk(run, image, index))
  for (const file of journal.created) {
    if (file.kind !== 'nvram' || variables === undefined || plan.nvram === undefined) continue
    await writeNewFile(files, stagedPath(settingsFile, file), variables, plan.nvram.from)
  }
  signal?.throwIfAborted()
  const coming = comingSettings(run, journal, images)
  await run.leaveSource()
  for (const file of journal.created) await giveName(files, settingsFile, file)
  await removeIfThere(files, comingSettingsPath(settingsFile))
  await writeNewFile(
    files,
    comingSettingsPath(settingsFile),
    serializeSettings(coming),
    source.inspection.settings.file,
  )
  await files.syncFolder(dirname(settingsFile))
  signal?.throwIfAborted()
  return { coming, disks }
}

async function writeDisk(run: CloneRun, image: StagedFile, index: number): Promise<MeasuredDisk> {
  const { files, disks, plan, onProgress, onShared, signal } = run
  const measured = disks[index]
  if (measured === undefined) throw new RangeError(`Cannot clone: disk ${index} was not measured`)
  const { paths, disk, dead } = measured
  const source = await openSource(files, paths, disk.fixed, signal)
  const total = measured.writtenBytes
  let done = 0
  const onBytes = (bytes: number): void => {
    done += bytes
    onProgress({ phase: 'clone', subject: image.name, done, total, unit: 'bytes' })
  }
  try {
    const blocks = cloneBlocks(source, dead.has)
    const path = stagedPath(plan.place.settingsFile, image)
    const like = await likeMachine(files, run.source.inspection.settings.file, paths[0] ?? '')
    const job = {
      files,
      source,
      plan: blocks,
      dead: dead.has,
      id: image.id,
      path,
      like,
      signal,
      onBytes,
      onShared,
    }
    const zeros = await writeCloneDisk(job)
    if (run.verify === 'full') await confirmClone(path, paths, blocks, dead.isUnused, run)
    return withoutZeros(measured, source, zeros)
  } finally {
    await source.close()
  }
}

/** A rename takes the place of whatever has the name, so nothing may have it. */
async function giveName(files: Files, settingsFile: string, file: StagedFile): Promise<void> {
  const path = join(dirname(settingsFile), file.name)
  if ((await files.stat(path)) !== undefined) {
    throw new VboxmergeError(
      'engine_failed',
      `Cannot make ${JSON.stringify(path)}: someone else made a file of that name; look at what it is, and run the same command again`,
    )
  }
  await files.rename(stagedPath(settingsFile, file), path)
}

function comingSettings(
  run: CloneRun,
  journal: CloneJournal,
  images: readonly StagedFile[],
): SettingsDocument {
  const { source, plan, fingerprint } = run
  const { settings } = source.inspection
  const media = plan.disks.map(({ attachment, type, name }, index): CloneMedium => {
    return { source: attachment.image, id: images[index]?.id ?? '', location: name, type }
  })
  const stamp = encodeCloneStamp({ clone: journal.clone, source: settings.id, fingerprint })
  return cloneSettings(parseSettings(source.settingsBytes, settings.file), {
    id: journal.clone,
    name: plan.place.name,
    file: plan.place.settingsFile,
    snapshot: plan.snapshot?.id,
    media,
    nvramPath: plan.nvram === undefined || plan.nvram.isDefault ? undefined : plan.nvram.name,
    stamp,
  })
}

/** Registers a clone and has VirtualBox open every image of it. */
async function register({ manage, registers }: CloneRun, settings: MachineSettings): Promise<void> {
  if (manage === undefined || !registers) return
  await manage.register(settings.file)
  for (const { id } of eachMedium(settings.media)) await manage.mediumInfo(id)
}

async function forget({ files, manage, vboxUserHome }: CloneRun, old: MachineSettings): Promise<void> {
  if (manage === undefined) return
  const images = new Set<Uuid>([...eachMedium(old.media)].map(({ id }) => id))
  await forgetImages({ files, manage, vboxUserHome }, images)
}

function callOptions(run: CloneRun): { readonly lockTimeout: number; readonly signal?: AbortSignal } {
  return { lockTimeout: run.lockTimeout, ...(run.signal === undefined ? {} : { signal: run.signal }) }
}

/** Says what is there now; passes on what the user asked for or what explains itself. */
function explained(run: CloneRun, error: unknown, { committed, cleaned }: Written): unknown {
  const { source, plan, signal } = run
  // A refusal would say that nothing was changed.
  const isRefusal = error instanceof VboxmergeError && EXIT_STATUS[error.code] === EXIT_STATUS.unsupported
  const state = committed
    ? `the clone ${JSON.stringify(plan.place.settingsFile)} is whole; run the same command again to finish`
    : `nothing is left of the clone${isFull(error) ? '; make room there' : ''}`
  if (!committed && isStop(error, signal)) return stopped(error, state, { changed: cleaned })
  if (!committed && error instanceof VboxmergeError) {
    const before = 'before that, what an interrupted run had left was removed'
    return cleaned ? failureAfterChange(error, before, signal) : error
  }
  if (committed && error instanceof VboxmergeError && !isRefusal && error.code !== 'engine_failed')
    return failureAfterChange(error, state, signal)
  const name = JSON.stringify(source.inspection.settings.name)
  const found = printable(error instanceof Error ? error.message : String(error))
  const code = isFull(error) && !committed ? 'no_space' : 'engine_failed'
  const details = { cause: error, changed: committed || cleaned }
  return new VboxmergeError(code, `Cannot clone ${name}: ${found}; ${state}`, details)
}
