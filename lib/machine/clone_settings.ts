import { randomBytes } from 'node:crypto'
import { dirname, resolve } from 'node:path'
import { CLONE_NAME, OWN_EXTRA_DATA } from './clone_stamp.ts'
import { editDocument, firstChildOf, setMachineAttribute } from './edit_document.ts'
import { setExtraData } from './edit_extra_data.ts'
import { restoreState } from './edit_snapshots.ts'
import type { MediumType, Uuid } from './machine.ts'
import type { SettingsDocument } from './settings_document.ts'
import {
  bracedUuid,
  childSnapshots,
  machineElement,
  parseUuid,
  snapshotElement,
  storageControllers,
} from './settings_elements.ts'
import { replaceImages, setNvramPath, stateSections } from './state_sections.ts'
import { serializeXml } from './xml/write_xml.ts'
import {
  createElement,
  getAttribute,
  insertElement,
  removeElement,
  replaceElement,
  setAttribute,
} from './xml/xml_edit.ts'
import { childElement, childElements, eachElement, type XmlElement } from './xml/xml_tree.ts'

/** A disk of a clone. */
export interface CloneMedium {
  /** The image that the cloned state has attached. */
  readonly source: Uuid
  /** The clone's own image. */
  readonly id: Uuid
  /** Relative to the clone's folder. */
  readonly location: string
  readonly type: MediumType
}

/** What makes a clone's settings differ from those of its source. */
export interface CloneIdentity {
  readonly id: Uuid
  readonly name: string
  /** Absolute path of the clone's `.vbox` file. */
  readonly file: string
  /** UUID of the snapshot whose state is cloned; undefined for the current state. */
  readonly snapshot: Uuid | undefined
  readonly media: readonly CloneMedium[]
  /** Where the EFI variables are, as it is to be written; undefined for VirtualBox's default place. */
  readonly nvramPath: string | undefined
  /** Value of the extra data item that tells what it is a clone of. */
  readonly stamp: string
}

/** Children of `Machine` and `MediaRegistry` in front of which a missing one is put. */
const BEHIND_REGISTRY = ['ExtraData', 'Snapshot', 'Hardware', 'StorageControllers']
const BEHIND_HARD_DISKS = ['DVDImages', 'FloppyImages']

/**
 * Returns the settings of a clone: those of one state of a machine, flat, with an identity of its own. What
 * VirtualBox's `clonevm --mode machine` makes anew is new here, too (UUIDs, MAC addresses), the rest of the
 * state's settings stays byte for byte as it is. A hardware UUID that was set by hand stays, as there.
 */
export function cloneSettings(doc: SettingsDocument, clone: CloneIdentity): SettingsDocument {
  const state = clone.snapshot === undefined ? doc : restoreState(doc, clone.snapshot, new Map<Uuid, Uuid>())
  const flat = editDocument(state, draft => {
    const machine = machineElement(draft)
    for (const snapshot of childSnapshots(machine)) removeElement(snapshot, draft.style)
    setIdentity(draft, clone)
    replaceImages(draft, machine, new Map(clone.media.map(({ source, id }) => [source, id])))
    setNvramPath(draft, machine, clone.nvramPath)
    renewAddresses(draft, machine)
    replaceMedia(draft, machine, clone.media)
    removeOwnExtraData(draft, machine)
  })
  return setExtraData({ ...flat, file: clone.file }, CLONE_NAME, clone.stamp)
}

/**
 * Returns what a state's settings say, in a form that is the same wherever the state stands in the file.
 *
 * @param snapshot UUID of a snapshot; undefined for the current state.
 */
export function stateText(doc: SettingsDocument, snapshot: Uuid | undefined): string {
  const machine = machineElement(doc)
  const state = snapshot === undefined ? machine : snapshotElement(doc, snapshot)
  const about = childElements(machine).filter(({ name }) => name === 'Description' || name === 'Groups')
  const texts = [...about, ...stateSections(state)].map(root =>
    serializeXml({ prolog: '', root, epilog: '' }),
  )
  return [getAttribute(machine, 'OSType') ?? '', ...texts].join('\n').replace(/\s+/g, ' ')
}

function setIdentity(draft: SettingsDocument, { id, name }: CloneIdentity): void {
  setMachineAttribute(draft, 'uuid', bracedUuid(id))
  setMachineAttribute(draft, 'name', name)
  setMachineAttribute(draft, 'directoryIncludesUUID', undefined)
  setMachineAttribute(draft, 'stateFile', undefined)
  setMachineAttribute(draft, 'stateKeyId', undefined)
  setMachineAttribute(draft, 'logKeyId', undefined)
  setMachineAttribute(draft, 'aborted', undefined)
  setMachineAttribute(draft, 'currentSnapshot', undefined)
  setMachineAttribute(draft, 'snapshotFolder', 'Snapshots')
  setMachineAttribute(draft, 'currentStateModified', 'false')
}

/** Two machines with one address cannot be in the same network. */
function renewAddresses(draft: SettingsDocument, machine: XmlElement): void {
  for (const hardware of childElements(machine, 'Hardware')) {
    for (const network of childElements(hardware, 'Network')) {
      for (const adapter of childElements(network, 'Adapter')) {
        if (getAttribute(adapter, 'MACAddress') === undefined) continue
        setAttribute(adapter, 'MACAddress', newAddress(), draft.style)
      }
    }
  }
}

/** An address of the range that VirtualBox takes its own from. */
function newAddress(): string {
  return `080027${randomBytes(3).toString('hex').toUpperCase()}`
}

function replaceMedia(draft: SettingsDocument, machine: XmlElement, media: readonly CloneMedium[]): void {
  const attached = attachedMedia(machine)
  let registry = childElement(machine, 'MediaRegistry')
  if (registry === undefined) {
    registry = createElement('MediaRegistry', [], draft.style)
    insertElement(machine, registry, draft.style, firstChildOf(machine, BEHIND_REGISTRY))
  }
  for (const list of BEHIND_HARD_DISKS) keepAttached(draft, registry, list, attached)
  const old = childElement(registry, 'HardDisks')
  const disks = createElement('HardDisks', [], draft.style)
  if (old === undefined)
    insertElement(registry, disks, draft.style, firstChildOf(registry, BEHIND_HARD_DISKS))
  else replaceElement(old, [disks], draft.style)
  for (const { id, location, type } of media) {
    const attributes = [
      ['uuid', bracedUuid(id)],
      ['location', location],
      ['format', 'VDI'],
      ['type', type],
    ] as const
    insertElement(disks, createElement('HardDisk', attributes, draft.style), draft.style)
  }
  if (media.length === 0) removeElement(disks, draft.style)
  if (childElements(registry).length === 0) removeElement(registry, draft.style)
}

/** DVDs and floppies are shared with the source; those that the state does not have in a drive go. */
function keepAttached(
  draft: SettingsDocument,
  registry: XmlElement,
  name: string,
  attached: ReadonlySet<Uuid>,
): void {
  for (const list of childElements(registry, name)) {
    for (const image of childElements(list, 'Image')) {
      const id = parseUuid(getAttribute(image, 'uuid') ?? '')
      if (id === undefined || !attached.has(id)) removeElement(image, draft.style)
      else setAttribute(image, 'location', absoluteLocation(draft, image), draft.style)
    }
    if (childElements(list).length === 0 && list.parent !== undefined) removeElement(list, draft.style)
  }
}

function absoluteLocation(draft: SettingsDocument, image: XmlElement): string {
  const location = getAttribute(image, 'location') ?? ''
  // `host:` drives and the like are no paths.
  return /^[a-z]{2,}:/i.test(location) ? location : resolve(dirname(draft.file), location)
}

function attachedMedia(machine: XmlElement): Set<Uuid> {
  const attached = new Set<Uuid>()
  for (const list of storageControllers(machine)) {
    for (const element of eachElement(list)) {
      if (element.name !== 'Image') continue
      const id = parseUuid(getAttribute(element, 'uuid') ?? '')
      if (id !== undefined) attached.add(id)
    }
  }
  return attached
}

function removeOwnExtraData(draft: SettingsDocument, machine: XmlElement): void {
  for (const list of childElements(machine, 'ExtraData')) {
    for (const item of childElements(list, 'ExtraDataItem')) {
      if (getAttribute(item, 'name')?.startsWith(OWN_EXTRA_DATA) === true) removeElement(item, draft.style)
    }
    if (childElements(list).length === 0 && list.parent !== undefined) removeElement(list, draft.style)
  }
}
