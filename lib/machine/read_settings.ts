import { dirname, resolve } from 'node:path'
import { VboxmergeError } from '../errors.ts'
import type { Attachment, MachineSettings, Snapshot, StateSettings, Uuid } from './machine.ts'
import { eachState } from './media_graph.ts'
import { readBoolean } from './read_boolean.ts'
import { readMedia } from './read_media.ts'
import { type SettingsDocument, settingsCorrupt } from './settings_document.ts'
import {
  childSnapshots,
  eachDiskElement,
  machineElement,
  nvramElement,
  parseUuid,
  requiredAttribute,
  requiredUuid,
} from './settings_elements.ts'
import { getAttribute } from './xml/xml_edit.ts'
import { decodeText } from './xml/xml_text.ts'
import { childElement, childElements, passingCopy, type XmlElement } from './xml/xml_tree.ts'

/** More than VirtualBox itself bears, of snapshots and of attached disks in all states together. */
const MOST_SNAPSHOTS = 2000
const MOST_ATTACHMENTS = 8000

/** A snapshot whose children are still being read. */
interface GrowingSnapshot extends Snapshot {
  readonly children: Snapshot[]
}

/** What identifies a machine in its own settings file. */
export interface MachineIdentity {
  readonly id: Uuid
  readonly name: string
}

/**
 * Reads what a `.vbox` file says about a machine, its snapshots and its media. Attachments may name
 * media of another registry (linked clones do).
 *
 * @throws VboxmergeError `settings_corrupt` when something required is missing or contradicts something
 * else; `image_encrypted` when a saved state or the logs are encrypted; `unsupported` for unknown values
 */
export function readSettings(doc: SettingsDocument): MachineSettings {
  const machine = machineElement(doc)
  refuseStateKeys(doc, machine)
  const snapshots = readSnapshots(doc, machine)
  const settings: MachineSettings = {
    file: doc.file,
    version: requiredAttribute(doc, doc.xml.root, 'version'),
    ...readIdentity(doc),
    snapshotFolder: pathIn(doc, getAttribute(machine, 'snapshotFolder') || 'Snapshots'),
    aborted: readBoolean(doc, machine, 'aborted') ?? false,
    currentStateModified: readBoolean(doc, machine, 'currentStateModified') ?? true,
    currentSnapshot: readCurrentSnapshot(doc, machine, snapshots.ids),
    rootSnapshot: snapshots.root,
    currentState: readState(doc, machine),
    media: readMedia(doc, machine),
    extraData: readExtraData(doc, machine),
  }
  let attachments = 0
  for (const { state } of eachState(settings)) attachments += state.attachments.length
  refuseMany(doc, 'attached hard disks', attachments, MOST_ATTACHMENTS)
  return settings
}

function refuseMany(doc: SettingsDocument, what: string, count: number, most: number): void {
  if (count <= most) return
  throw new VboxmergeError(
    'unsupported',
    `Cannot read ${JSON.stringify(doc.file)}: it has more than ${most} ${what}; delete some with VirtualBox`,
  )
}

/**
 * Reads only who a machine is.
 *
 * @throws VboxmergeError `settings_corrupt` when UUID or name is missing
 */
export function readIdentity(doc: SettingsDocument): MachineIdentity {
  const machine = machineElement(doc)
  return { id: requiredUuid(doc, machine), name: requiredAttribute(doc, machine, 'name') }
}

/** VirtualBox turns the backslashes of these paths, but not of media locations, when it reads them. */
function pathIn(doc: SettingsDocument, path: string): string {
  return resolve(dirname(doc.file), path.replaceAll('\\', '/'))
}

function refuseStateKeys(doc: SettingsDocument, element: XmlElement): void {
  const found = ['stateKeyStore', 'logKeyStore'].find(name => getAttribute(element, name))
  if (found === undefined) return
  throw new VboxmergeError(
    'image_encrypted',
    `Cannot read ${JSON.stringify(doc.file)}: its ${found === 'logKeyStore' ? 'logs are' : 'saved state is'} encrypted; ` +
      'remove the encryption with VBoxManage encryptvm first',
  )
}

function readState(doc: SettingsDocument, state: XmlElement): StateSettings {
  const stateFile = getAttribute(state, 'stateFile')
  const nvram = nvramElement(state)
  const nvramFile = nvram === undefined ? undefined : getAttribute(nvram, 'path')
  return {
    attachments: readAttachments(doc, state),
    stateFile: stateFile ? pathIn(doc, stateFile) : undefined,
    nvramFile: nvramFile ? pathIn(doc, nvramFile) : undefined,
  }
}

function readAttachments(doc: SettingsDocument, state: XmlElement): Attachment[] {
  const attachments: Attachment[] = []
  for (const { controller, device } of eachDiskElement(state)) {
    const image = childElement(device, 'Image')
    if (image === undefined) throw settingsCorrupt(doc.file, 'an attached hard disk names no image')
    attachments.push({
      controller: requiredAttribute(doc, controller, 'name'),
      port: readNumber(doc, device, 'port'),
      device: readNumber(doc, device, 'device'),
      image: requiredUuid(doc, image),
    })
  }
  return attachments
}

function readNumber(doc: SettingsDocument, element: XmlElement, name: string): number {
  const text = requiredAttribute(doc, element, name)
  if (/^[0-9]{1,9}$/.test(text)) return Number(text)
  throw settingsCorrupt(
    doc.file,
    `the "${name}" of a "${element.name}" is ${JSON.stringify(text.slice(0, 80))}, not a number`,
  )
}

function readSnapshots(
  doc: SettingsDocument,
  machine: XmlElement,
): { readonly root: Snapshot | undefined; readonly ids: ReadonlySet<Uuid> } {
  const roots: Snapshot[] = []
  const ids = new Set<Uuid>()
  const waiting: [element: XmlElement, parent: GrowingSnapshot | undefined][] = []
  const queueChildren = (holder: XmlElement, parent: GrowingSnapshot | undefined): void => {
    for (const child of childSnapshots(holder).reverse()) waiting.push([passingCopy(child), parent])
  }
  queueChildren(machine, undefined)
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [element, parent] = next
    const snapshot = readSnapshot(doc, element, parent?.id)
    if (ids.has(snapshot.id)) throw settingsCorrupt(doc.file, `the snapshot {${snapshot.id}} is listed twice`)
    ids.add(snapshot.id)
    refuseMany(doc, 'snapshots', ids.size, MOST_SNAPSHOTS)
    const siblings = parent?.children ?? roots
    siblings.push(snapshot)
    queueChildren(element, snapshot)
  }
  if (roots.length > 1) throw settingsCorrupt(doc.file, 'it has more than one first snapshot')
  return { root: roots[0], ids }
}

function readSnapshot(doc: SettingsDocument, element: XmlElement, parent: Uuid | undefined): GrowingSnapshot {
  refuseStateKeys(doc, element)
  return {
    ...readState(doc, element),
    id: requiredUuid(doc, element),
    name: requiredAttribute(doc, element, 'name'),
    description: textOf(childElement(element, 'Description')),
    timeStamp: requiredAttribute(doc, element, 'timeStamp'),
    parent,
    children: [],
  }
}

function textOf(element: XmlElement | undefined): string {
  const parts = (element?.children ?? []).map(node => {
    if (node.kind === 'text') return decodeText(node.raw)
    return node.kind === 'cdata' ? node.raw.slice('<![CDATA['.length, -']]>'.length) : ''
  })
  return parts.join('')
}

function readCurrentSnapshot(
  doc: SettingsDocument,
  machine: XmlElement,
  ids: ReadonlySet<Uuid>,
): Uuid | undefined {
  const text = getAttribute(machine, 'currentSnapshot')
  if (text === undefined) {
    if (ids.size === 0) return undefined
    throw settingsCorrupt(doc.file, 'it has snapshots, but names none as the current one')
  }
  const id = parseUuid(text)
  if (id === undefined || !ids.has(id)) {
    throw settingsCorrupt(
      doc.file,
      `its current snapshot ${JSON.stringify(text.slice(0, 80))} is not among its snapshots`,
    )
  }
  return id
}

function readExtraData(doc: SettingsDocument, machine: XmlElement): Map<string, string> {
  const items = childElements(machine, 'ExtraData').flatMap(list => childElements(list, 'ExtraDataItem'))
  return new Map(
    items.map(item => [requiredAttribute(doc, item, 'name'), requiredAttribute(doc, item, 'value')]),
  )
}
