import { VboxmergeError } from '../errors.ts'
import {
  editDocument,
  firstChildOf,
  getMachineAttribute,
  setMachineAttribute,
  settingsTime,
} from './edit_document.ts'
import type { Uuid } from './machine.ts'
import type { SettingsDocument } from './settings_document.ts'
import {
  bracedUuid,
  childSnapshots,
  eachSnapshotElement,
  machineElement,
  parentSnapshot,
  parseUuid,
  requiredAttribute,
  requiredUuid,
  snapshotElement,
} from './settings_elements.ts'
import {
  BEHIND_SNAPSHOT,
  copySections,
  nvramPathOf,
  replaceImages,
  replaceSections,
  setNvramPath,
} from './state_sections.ts'
import {
  createElement,
  indentOf,
  insertElement,
  removeElement,
  replaceElement,
  shiftContent,
} from './xml/xml_edit.ts'
import { encodeText } from './xml/xml_text.ts'
import { childElement, childElements, type XmlElement } from './xml/xml_tree.ts'

/** A snapshot to be added. */
export interface AddedSnapshot {
  readonly id: Uuid
  readonly name: string
  /** Not written when empty. */
  readonly description: string
  /** As settings hold it, `2026-01-31T12:00:00Z`; becomes the time of the machine's last change, too. */
  readonly timeStamp: string
  /** Where the snapshot's own copy of the EFI variables is, as it is to be written. */
  readonly nvramPath?: string
  /** For each attached image that stays with the snapshot, the one that the current state gets over it. */
  readonly images: ReadonlyMap<Uuid, Uuid>
}

/**
 * Adds a snapshot of the current state below the current snapshot and makes it the current one, as
 * `VBoxManage snapshot take` does. The media that the current state gets are added by `addMedium`.
 * Without `nvramPath` the snapshot names no EFI variables: the current state's own file would be deleted
 * together with the snapshot.
 *
 * @throws VboxmergeError `invalid_options` when name or description hold a character that XML forbids
 */
export function addSnapshot(doc: SettingsDocument, added: AddedSnapshot): SettingsDocument {
  return editDocument(doc, draft => {
    const machine = machineElement(draft)
    const snapshot = insertSnapshot(draft, added)
    if (added.description !== '') insertDescription(draft, snapshot, added.description)
    const indent = `${indentOf(snapshot)}  `
    for (const section of copySections(machine, indent)) insertElement(snapshot, section, draft.style)
    setNvramPath(draft, snapshot, added.nvramPath)
    replaceImages(draft, machine, added.images)
    setMachineAttribute(draft, 'currentSnapshot', bracedUuid(added.id))
    setMachineAttribute(draft, 'currentStateModified', 'false')
    setMachineAttribute(draft, 'lastStateChange', added.timeStamp)
  })
}

/**
 * Makes a snapshot's settings those of the current state, as `VBoxManage snapshot restore` of a snapshot
 * without a saved state does: a saved state is forgotten, the time of the last change becomes that of the
 * snapshot, the machine's own file of EFI variables keeps its name.
 *
 * @param images for each image attached in the snapshot, the one that the current state gets over it
 * @throws VboxmergeError `snapshot_not_found`
 */
export function restoreState(
  doc: SettingsDocument,
  snapshotId: Uuid,
  images: ReadonlyMap<Uuid, Uuid>,
): SettingsDocument {
  return editDocument(doc, draft => {
    const machine = machineElement(draft)
    const snapshot = snapshotElement(draft, snapshotId)
    const nvramPath = nvramPathOf(machine)
    replaceSections(draft, machine, copySections(snapshot, `${indentOf(machine)}  `))
    setNvramPath(draft, machine, nvramPath)
    replaceImages(draft, machine, images)
    setMachineAttribute(draft, 'stateFile', undefined)
    setMachineAttribute(draft, 'aborted', undefined)
    setMachineAttribute(draft, 'currentSnapshot', bracedUuid(snapshotId))
    setMachineAttribute(draft, 'currentStateModified', 'false')
    setMachineAttribute(draft, 'lastStateChange', requiredAttribute(draft, snapshot, 'timeStamp'))
  })
}

/**
 * Takes snapshots out of the tree; the children of each become the last ones of its parent. Without the current snapshot its
 * nearest ancestor that stays becomes the current one and the current state counts as modified. Media
 * and attachments are left alone.
 *
 * @throws VboxmergeError `snapshot_not_found` for an unknown snapshot; `branch_blocked` when more than one
 * snapshot would come first, or when snapshots would stay and none of them could be the current one
 */
export function removeSnapshots(doc: SettingsDocument, ids: ReadonlySet<Uuid>, now: Date): SettingsDocument {
  return editDocument(doc, draft => {
    const removed = findSnapshots(draft, ids)
    if (removed.length === 0) return
    const current = nearestKept(draft, ids)
    const machine = machineElement(draft)
    const shifts = new Map<XmlElement, number>()
    for (const snapshot of removed) spliceOut(draft, snapshot, shifts)
    shiftContent(machine, 0, shifts)
    const roots = childSnapshots(machine)
    if (roots.length > 1) throw blocked(draft, `${roots.length} snapshots would be the first one`)
    if (roots.length > 0 && current.id === undefined)
      throw blocked(draft, 'none that stays could be the current one')
    if (current.moved) {
      setMachineAttribute(
        draft,
        'currentSnapshot',
        current.id === undefined ? undefined : bracedUuid(current.id),
      )
      setMachineAttribute(draft, 'currentStateModified', undefined)
    }
    setMachineAttribute(draft, 'lastStateChange', settingsTime(now))
  })
}

/** Forgets the saved state of the machine, as `VBoxManage discardstate` does; its file is left alone. */
export function discardSavedState(doc: SettingsDocument, now: Date): SettingsDocument {
  return editDocument(doc, draft => {
    if (getMachineAttribute(draft, 'stateFile') === undefined) return
    setMachineAttribute(draft, 'stateFile', undefined)
    setMachineAttribute(draft, 'aborted', undefined)
    setMachineAttribute(draft, 'currentStateModified', undefined)
    setMachineAttribute(draft, 'lastStateChange', settingsTime(now))
  })
}

/** Notes whether the current state differs from the current snapshot; only `false` is ever written. */
export function setCurrentStateModified(doc: SettingsDocument, modified: boolean): SettingsDocument {
  return editDocument(doc, draft =>
    setMachineAttribute(draft, 'currentStateModified', modified ? undefined : 'false'),
  )
}

function insertSnapshot(draft: SettingsDocument, added: AddedSnapshot): XmlElement {
  const snapshot = createElement(
    'Snapshot',
    [
      ['uuid', bracedUuid(added.id)],
      ['name', added.name],
      ['timeStamp', added.timeStamp],
    ],
    draft.style,
  )
  const machine = machineElement(draft)
  const current = getMachineAttribute(draft, 'currentSnapshot')
  if (current === undefined) {
    insertElement(machine, snapshot, draft.style, firstChildOf(machine, BEHIND_SNAPSHOT))
    return snapshot
  }
  const parent = snapshotElement(draft, parseUuid(current) ?? current)
  let list = childElement(parent, 'Snapshots')
  if (list === undefined) {
    list = createElement('Snapshots', [], draft.style)
    insertElement(parent, list, draft.style)
  }
  insertElement(list, snapshot, draft.style)
  return snapshot
}

function insertDescription(draft: SettingsDocument, snapshot: XmlElement, text: string): void {
  const description = createElement('Description', [], draft.style)
  description.children = [{ kind: 'text', raw: encodeText(text, draft.style.ascii) }]
  description.endTag = '</Description>'
  description.beforeClose = ''
  insertElement(snapshot, description, draft.style)
}

function findSnapshots(draft: SettingsDocument, ids: ReadonlySet<Uuid>): XmlElement[] {
  const found = [...eachSnapshotElement(draft)].filter(snapshot => ids.has(requiredUuid(draft, snapshot)))
  if (found.length === ids.size) return found
  const known = new Set(found.map(snapshot => requiredUuid(draft, snapshot)))
  const missing = [...ids].filter(id => !known.has(id)).map(bracedUuid)
  throw new VboxmergeError(
    'snapshot_not_found',
    `Cannot edit ${JSON.stringify(draft.file)}: it has no snapshot ${missing.join(', ')}`,
  )
}

/** Which snapshot is the current one once some are gone, and whether that is another than before. */
function nearestKept(
  draft: SettingsDocument,
  ids: ReadonlySet<Uuid>,
): { readonly id: Uuid | undefined; readonly moved: boolean } {
  const text = getMachineAttribute(draft, 'currentSnapshot') ?? ''
  const before = parseUuid(text) ?? text
  let snapshot: XmlElement | undefined = snapshotElement(draft, before)
  while (snapshot !== undefined && ids.has(requiredUuid(draft, snapshot))) snapshot = parentSnapshot(snapshot)
  const id = snapshot === undefined ? undefined : requiredUuid(draft, snapshot)
  return { id, moved: id !== before }
}

/**
 * Gives the children of a snapshot to its parent, behind those that it has, as VirtualBox does, and notes how far their
 * lines are to be moved.
 */
function spliceOut(draft: SettingsDocument, snapshot: XmlElement, shifts: Map<XmlElement, number>): void {
  const indent = indentOf(snapshot).length
  const list = snapshot.parent
  const children = childSnapshots(snapshot)
  for (const child of children) shifts.set(child, indent - indentOf(child).length)
  if (list?.name === 'Snapshots' && childElements(list).at(-1) !== snapshot) {
    removeElement(snapshot, draft.style)
    for (const child of children) insertElement(list, child, draft.style)
  } else {
    replaceElement(snapshot, children, draft.style)
  }
  if (list?.name === 'Snapshots' && childElements(list).length === 0) removeElement(list, draft.style)
}

function blocked(draft: SettingsDocument, what: string): VboxmergeError {
  return new VboxmergeError(
    'branch_blocked',
    `Cannot take snapshots out of ${JSON.stringify(draft.file)}: ${what}; take out the other branches, too`,
  )
}
