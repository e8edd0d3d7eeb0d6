import { VboxmergeError } from '../errors.ts'
import type { Uuid } from './machine.ts'
import { type SettingsDocument, settingsCorrupt } from './settings_document.ts'
import { getAttribute } from './xml/xml_edit.ts'
import { childElement, childElements, eachElement, type XmlElement } from './xml/xml_tree.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const ZERO_UUID = '00000000-0000-0000-0000-000000000000'

/** Reads a UUID with or without braces, in any case; undefined when it is none, or the zero UUID. */
export function parseUuid(text: string): Uuid | undefined {
  const bare = (/^\{(.*)\}$/s.exec(text)?.[1] ?? text).toLowerCase()
  return UUID.test(bare) && bare !== ZERO_UUID ? bare : undefined
}

/** Writes a UUID as settings files hold it. */
export function bracedUuid(id: Uuid): string {
  return `{${id}}`
}

/** The `Machine` element. */
export function machineElement(doc: SettingsDocument): XmlElement {
  const machine = childElement(doc.xml.root, 'Machine')
  if (machine === undefined) throw settingsCorrupt(doc.file, 'there is no machine in it')
  return machine
}

/**
 * The value of an attribute that must be there.
 *
 * @throws VboxmergeError `settings_corrupt`
 */
export function requiredAttribute(doc: SettingsDocument, element: XmlElement, name: string): string {
  const value = getAttribute(element, name)
  if (value === undefined) throw settingsCorrupt(doc.file, `a "${element.name}" has no attribute "${name}"`)
  return value
}

/**
 * The UUID in an attribute that must be there.
 *
 * @throws VboxmergeError `settings_corrupt`
 */
export function requiredUuid(doc: SettingsDocument, element: XmlElement, name = 'uuid'): Uuid {
  const value = requiredAttribute(doc, element, name)
  const id = parseUuid(value)
  if (id === undefined) {
    throw settingsCorrupt(
      doc.file,
      `the "${name}" of a "${element.name}" is ${JSON.stringify(value.slice(0, 80))}, which is no UUID`,
    )
  }
  return id
}

/** The `Snapshot` elements right below a `Machine` or another `Snapshot`. */
export function childSnapshots(parent: XmlElement): XmlElement[] {
  if (parent.name === 'Machine') return childElements(parent, 'Snapshot')
  return childElements(parent, 'Snapshots').flatMap(list => childElements(list, 'Snapshot'))
}

/** Walks all `Snapshot` elements of a machine, parents before children. */
export function* eachSnapshotElement(doc: SettingsDocument): Generator<XmlElement> {
  const waiting = childSnapshots(machineElement(doc)).reverse()
  for (let snapshot = waiting.pop(); snapshot !== undefined; snapshot = waiting.pop()) {
    yield snapshot
    for (const child of childSnapshots(snapshot).reverse()) waiting.push(child)
  }
}

/**
 * The `Snapshot` element with a UUID.
 *
 * @throws VboxmergeError `snapshot_not_found`
 */
export function snapshotElement(doc: SettingsDocument, id: Uuid): XmlElement {
  for (const snapshot of eachSnapshotElement(doc)) if (requiredUuid(doc, snapshot) === id) return snapshot
  throw new VboxmergeError(
    'snapshot_not_found',
    `Cannot edit ${JSON.stringify(doc.file)}: it has no snapshot {${id}}`,
  )
}

/** The snapshot that holds a snapshot; undefined for the root. */
export function parentSnapshot(snapshot: XmlElement): XmlElement | undefined {
  const holder = snapshot.parent
  return holder?.name === 'Snapshots' ? holder.parent : undefined
}

/**
 * The `StorageControllers` of a state (a `Machine` or `Snapshot`). VirtualBox 6.1 and later write them
 * inside `Hardware`, older ones beside it; every version reads both.
 */
export function storageControllers(state: XmlElement): XmlElement[] {
  const inside = childElements(state, 'Hardware').flatMap(hardware =>
    childElements(hardware, 'StorageControllers'),
  )
  return [...inside, ...childElements(state, 'StorageControllers')]
}

/** The hard disks attached in a state, each with the controller that it hangs on. */
export function* eachDiskElement(
  state: XmlElement,
): Generator<{ readonly controller: XmlElement; readonly device: XmlElement }> {
  for (const list of storageControllers(state)) {
    for (const controller of childElements(list, 'StorageController')) {
      for (const device of childElements(controller, 'AttachedDevice')) {
        if (getAttribute(device, 'type') === 'HardDisk') yield { controller, device }
      }
    }
  }
}

/** The `NVRAM` element of a state, which names the file of its EFI variables. */
export function nvramElement(state: XmlElement): XmlElement | undefined {
  for (const hardware of childElements(state, 'Hardware')) {
    const places = [...childElements(hardware, 'BIOS'), ...childElements(hardware, 'Firmware'), hardware]
    for (const place of places) {
      const nvram = childElement(place, 'NVRAM')
      if (nvram !== undefined) return nvram
    }
  }
  return undefined
}

/** The `HardDisks` element of a media registry that stands in `holder` (a `Machine` or `Global`). */
export function hardDisksElement(holder: XmlElement): XmlElement | undefined {
  const registry = childElement(holder, 'MediaRegistry')
  return registry === undefined ? undefined : childElement(registry, 'HardDisks')
}

/** Walks all `HardDisk` elements of a media registry, parents before children. */
export function* eachHardDiskElement(holder: XmlElement): Generator<XmlElement> {
  const list = hardDisksElement(holder)
  if (list === undefined) return
  for (const element of eachElement(list)) if (element.name === 'HardDisk') yield element
}
