import { Buffer } from 'node:buffer'
import { basename, dirname, join, resolve } from 'node:path'
import { VboxmergeError } from '../errors.ts'
import { type CloneJournal, cloneFolders } from '../machine/clone_journal.ts'
import { machineFileName } from '../machine/file_name.ts'
import type { Inspection, Problem } from '../machine/inspection.ts'
import type { JournalFile } from '../machine/journal.ts'
import type { Attachment, MediumType, Snapshot, Uuid } from '../machine/machine.ts'
import { chainOf, eachMedium, eachSnapshot, eachState, indexMedia } from '../machine/media_graph.ts'

/** The clone that is wanted of a machine. */
export interface WantedClone {
  /** Default: that of the machine with ` Clone` behind it. */
  readonly name: string | undefined
  /** The clone's own folder. Default: beside that of the machine. */
  readonly folder: string | undefined
  /** Whether a clone of another state is replaced. */
  readonly replace: boolean
  /** Name or UUID of the snapshot whose state is wanted; undefined for the current state. */
  readonly from: string | undefined
  /** Whether what the guest's file systems do not use is left out. */
  readonly freeSpace: 'keep' | 'discard'
  /** Whether a saved state may be left out of the clone. */
  readonly discardSavedState: boolean
}

/** Where a clone is to be. */
export interface ClonePlace {
  readonly name: string
  /** Absolute path of its `.vbox` file. */
  readonly settingsFile: string
}

/** What was found where a clone is to be. */
export interface FoundClone {
  /** A clone of this machine. */
  readonly clone: { readonly machine: Inspection; readonly fingerprint: string } | undefined
  /** What stands in the way, as the middle of a sentence. */
  readonly obstacle: string | undefined
  /** Names of all files in its folder. */
  readonly names: readonly string[]
  /** What an interrupted run noted. */
  readonly journal: CloneJournal | undefined
}

/** A disk that is to be cloned. */
export interface PlannedDisk {
  readonly attachment: Attachment
  /** The images that it is read from, lowest first. */
  readonly chain: readonly Uuid[]
  readonly type: MediumType
  /** Whether the clone's image is of fixed size, as VirtualBox wants it of shareable disks. */
  readonly fixed: boolean
  /** Name of the clone's image in the clone's folder. */
  readonly name: string
}

/** What has to be done for a clone, before anything of disks is known. */
export interface ClonePlan {
  readonly action: 'none' | 'create' | 'replace' | 'finish'
  readonly place: ClonePlace
  readonly snapshot: Snapshot | undefined
  readonly disks: readonly PlannedDisk[]
  /** The EFI variables: where they are, and their name in the clone's folder. */
  readonly nvram: { readonly from: string; readonly name: string; readonly isDefault: boolean } | undefined
  /** Files of an older clone that are to go. */
  readonly deletes: readonly JournalFile[]
}

/** Bytes of the longest file name that common file systems take, and of what images add to the name of a machine. */
const LONGEST_NAME = 255
const LONGEST_ADDITION = '-disk1000-1000.vdi'.length

/**
 * Tells where the clone of a machine is to be.
 *
 * @param cwd From which a relative folder is counted.
 * @throws {VboxmergeError} `invalid_options` for a name that is too long for a file.
 */
export function clonePlace({ settings }: Inspection, wanted: WantedClone, cwd: string): ClonePlace {
  const name = wanted.name ?? `${settings.name} Clone`
  const fileName = machineFileName(name)
  if (Buffer.byteLength(fileName) + LONGEST_ADDITION > LONGEST_NAME) {
    const found = `the files of ${JSON.stringify(name)} would have names of more than ${LONGEST_NAME} bytes`
    throw new VboxmergeError(
      'invalid_options',
      `Cannot clone ${JSON.stringify(settings.name)}: ${found}; choose a shorter cloneName`,
    )
  }
  const beside = dirname(dirname(settings.file))
  const folder = wanted.folder === undefined ? join(beside, fileName) : resolve(cwd, wanted.folder)
  return { name, settingsFile: join(folder, `${fileName}.vbox`) }
}

/**
 * Finds the snapshot whose state is wanted; undefined for the current state.
 *
 * @throws {VboxmergeError} `snapshot_not_found`, `machine_ambiguous`.
 */
export function cloneState({ settings }: Inspection, from: string | undefined): Snapshot | undefined {
  if (from === undefined) return undefined
  const snapshots = [...eachSnapshot(settings.rootSnapshot)]
  const id = from.replace(/^\{|\}$/g, '').toLowerCase()
  const byId = snapshots.find(snapshot => snapshot.id === id)
  const byName = snapshots.filter(({ name }) => name === from)
  const [only] = byName
  if (byId !== undefined) return byId
  const what = `Cannot clone snapshot ${JSON.stringify(from)} of ${JSON.stringify(settings.name)}`
  if (byName.length > 1) {
    const ids = byName.map(snapshot => snapshot.id).join(', ')
    const found = `${byName.length} snapshots have that name; give one of the UUIDs ${ids}`
    throw new VboxmergeError('machine_ambiguous', `${what}: ${found}`)
  }
  if (only !== undefined) return only
  const names = snapshots.map(({ name }) => JSON.stringify(name)).join(', ')
  const there = snapshots.length === 0 ? 'it has no snapshots' : `there are ${names}`
  throw new VboxmergeError('snapshot_not_found', `${what}: there is none of that name or UUID; ${there}`)
}

/**
 * Plans the clone of a machine's state.
 *
 * @param fingerprint What tells the state apart from every other one.
 * @throws {VboxmergeError} When something else is where the clone is to be, when the clone is one of another state,
 * and when the state cannot be cloned.
 */
export function planClone(
  machine: Inspection,
  wanted: WantedClone,
  place: ClonePlace,
  fingerprint: string,
  found: FoundClone,
): ClonePlan {
  const snapshot = cloneState(machine, wanted.from)
  const nothing = { place, snapshot, disks: [], nvram: undefined, deletes: [] }
  if (found.obstacle !== undefined) throw inTheWay(machine, place, found.obstacle)
  const isCurrent = found.clone?.fingerprint === fingerprint
  const problem = isCurrent ? problemOf(found.clone?.machine) : undefined
  if (found.clone !== undefined && isCurrent && problem === undefined) {
    const isKnown = found.clone.machine.registration.registered || !machine.registration.registered
    return { ...nothing, action: isKnown && found.journal === undefined ? 'none' : 'finish' }
  }
  if (problem !== undefined && !wanted.replace) {
    throw refusal(
      machine,
      problem.code,
      `the clone that is there is damaged (replace makes it anew): ${problem.message}`,
    )
  }
  if (found.clone !== undefined && !wanted.replace) throw outdated(machine, place)
  refuseUnsafe(machine, wanted, snapshot)
  if (found.clone !== undefined) refuseUsed(found.clone.machine)
  const take = nameTaker(found)
  const stem = basename(place.settingsFile).replace(/\.vbox$/, '')
  return {
    ...nothing,
    action: found.clone === undefined ? 'create' : 'replace',
    disks: planDisks(machine, snapshot, number => take(`${stem}-disk${number}`, '.vdi')),
    nvram: planNvram(machine, snapshot, stem, take),
    deletes: found.clone === undefined ? [] : oldFiles(found.clone.machine),
  }
}

function planDisks(
  machine: Inspection,
  snapshot: Snapshot | undefined,
  nameOf: (number: number) => string,
): PlannedDisk[] {
  const media = indexMedia([[...machine.images.values()].map(image => image.medium)])
  const { attachments } = snapshot ?? machine.settings.currentState
  return attachments.map((attachment, index) => {
    const chain = chainOf(media, attachment.image)
    const [base] = chain
    if (base === undefined || base.parent !== undefined) {
      throw refusal(
        machine,
        'image_missing',
        `the image {${attachment.image}} or one below it is in no media registry that can be seen; register the ` +
          'machine that it belongs to',
      )
    }
    const type = typeInClone(base.type)
    return {
      attachment,
      chain: chain.map(({ id }) => id),
      type,
      fixed: type === 'Shareable',
      name: nameOf(index + 1),
    }
  })
}

/** VirtualBox's own clones keep the types that snapshots pass over, and make the others normal (7.2.22, measured). */
function typeInClone(type: MediumType | undefined): MediumType {
  return type === 'Writethrough' || type === 'Shareable' ? type : 'Normal'
}

function planNvram(
  { settings, nvram }: Inspection,
  snapshot: Snapshot | undefined,
  stem: string,
  take: (stem: string, extension: string) => string,
): ClonePlan['nvram'] {
  const own = nvram.exists ? nvram.path : undefined
  const from = snapshot === undefined ? own : snapshot.nvramFile
  if (from === undefined || from === settings.file) return undefined
  const name = take(stem, '.nvram')
  return { from, name, isDefault: name === `${stem}.nvram` }
}

/** Gives out names that nothing in the clone's folder has, nor anything that this gave out before. */
function nameTaker({ names, journal, clone }: FoundClone): (stem: string, extension: string) => string {
  // What an interrupted run has made is removed before anything is written.
  const leftovers = clone === undefined ? (journal?.created ?? []).map(({ name }) => name) : []
  const taken = new Set(names.filter(name => !leftovers.includes(name)).map(name => name.toLowerCase()))
  return (stem, extension) => {
    let name = `${stem}${extension}`
    for (let number = 2; taken.has(name.toLowerCase()); number++) name = `${stem}-${number}${extension}`
    taken.add(name.toLowerCase())
    return name
  }
}

function refuseUnsafe(machine: Inspection, wanted: WantedClone, snapshot: Snapshot | undefined): void {
  if (machine.interrupted !== undefined) {
    const found =
      'an earlier run was interrupted while it changed the machine; run that command again to finish it'
    throw refusal(machine, 'unsupported', found)
  }
  if ((snapshot ?? machine.settings.currentState).stateFile === undefined || wanted.discardSavedState) return
  const what =
    snapshot === undefined ? 'it is saved' : `snapshot ${JSON.stringify(snapshot.name)} is of a saved machine`
  throw refusal(
    machine,
    'machine_not_off',
    `${what}, and its memory is not cloned; start it and shut it down, or leave the saved state out of the clone with ` +
      'discardSavedState=true',
  )
}

/** An older clone is deleted, so nothing else may need it. */
function refuseUsed(old: Inspection): void {
  const name = JSON.stringify(old.settings.name)
  const [shared] = old.sharedWith
  if (shared !== undefined && old.images.has(shared[0])) {
    const user = JSON.stringify(shared[1])
    throw new VboxmergeError(
      'linked_clone',
      `Cannot replace the clone ${name}: the machine ${user} reads its image {${shared[0]}}; give the new clone another name`,
    )
  }
  if (old.interrupted !== undefined) {
    const help = 'run that command again to finish it, or give the new clone another name'
    throw new VboxmergeError(
      'unsupported',
      `Cannot replace the clone ${name}: an earlier run was interrupted while it changed it; ${help}`,
    )
  }
  if (old.settings.currentState.stateFile !== undefined) {
    throw new VboxmergeError(
      'machine_not_off',
      `Cannot replace the clone ${name}: it is saved; start it and shut it down, or give the new clone another name`,
    )
  }
}

function oldFiles({ settings, nvram }: Inspection): JournalFile[] {
  const files: JournalFile[] = []
  for (const { id, path } of eachMedium(settings.media)) files.push({ kind: 'image', path, id })
  for (const { state } of eachState(settings)) {
    if (state.stateFile !== undefined)
      files.push({ kind: 'saved_state', path: state.stateFile, id: undefined })
    if (state.nvramFile !== undefined) files.push({ kind: 'nvram', path: state.nvramFile, id: undefined })
  }
  if (nvram.exists) files.push({ kind: 'nvram', path: nvram.path, id: undefined })
  const { machine, snapshots } = cloneFolders(settings.file)
  // Whatever else was attached to it since lies elsewhere and stays.
  return files.filter(({ path }) => [machine, snapshots].includes(dirname(path)))
}

function problemOf(clone: Inspection | undefined): Problem | undefined {
  return [...(clone?.images.values() ?? [])].find(({ problem }) => problem !== undefined)?.problem
}

function inTheWay(machine: Inspection, { settingsFile }: ClonePlace, obstacle: string): VboxmergeError {
  const found = `${obstacle}; choose another place with cloneName=NAME or cloneFolder=FOLDER`
  return refusal(machine, 'unsupported', `the clone is to be ${JSON.stringify(settingsFile)}, but ${found}`)
}

function outdated(machine: Inspection, { settingsFile }: ClonePlace): VboxmergeError {
  return refusal(
    machine,
    'clone_outdated',
    `${JSON.stringify(settingsFile)} is a clone of another state of it; delete that machine, give the new clone ` +
      'another name with cloneName=NAME, or have it replaced, with all that was done to it, by replace=true',
  )
}

function refusal(
  { settings }: Inspection,
  code: ConstructorParameters<typeof VboxmergeError>[0],
  found: string,
): VboxmergeError {
  return new VboxmergeError(code, `Cannot clone ${JSON.stringify(settings.name)}: ${found}`)
}
