import { VboxmergeError } from '../errors.ts'
import type { SettingsDocument } from './settings_document.ts'
import { machineElement } from './settings_elements.ts'
import { getAttribute, removeAttribute, setAttribute } from './xml/xml_edit.ts'
import { cloneDocument, type XmlElement } from './xml/xml_tree.ts'

/** Attributes of `Machine` in the order in which VirtualBox writes them. */
const MACHINE_ATTRIBUTES = [
  'uuid',
  'name',
  'nameSync',
  'directoryIncludesUUID',
  'OSType',
  'stateFile',
  'stateKeyId',
  'stateKeyStore',
  'logKeyId',
  'logKeyStore',
  'currentSnapshot',
  'snapshotFolder',
  'currentStateModified',
  'lastStateChange',
  'aborted',
  'processPriority',
  'icon',
] as const

/** An attribute that VirtualBox writes on `Machine`. */
export type MachineAttribute = (typeof MACHINE_ATTRIBUTES)[number]

/** Makes an edited copy of a document; the document itself stays as it is. */
export function editDocument(
  doc: SettingsDocument,
  edit: (draft: SettingsDocument) => void,
): SettingsDocument {
  const draft = { ...doc, xml: cloneDocument(doc.xml) }
  try {
    edit(draft)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new VboxmergeError('invalid_options', `Cannot edit ${JSON.stringify(doc.file)}: ${error.message}`, {
      cause: error,
    })
  }
  return draft
}

/** Sets an attribute of `Machine` in its place, or takes it away when the value is undefined. */
export function setMachineAttribute(
  doc: SettingsDocument,
  name: MachineAttribute,
  value: string | undefined,
): void {
  const machine = machineElement(doc)
  if (value === undefined) removeAttribute(machine, name)
  else setAttribute(machine, name, value, doc.style, MACHINE_ATTRIBUTES)
}

/** The value of an attribute of `Machine`. */
export function getMachineAttribute(doc: SettingsDocument, name: MachineAttribute): string | undefined {
  return getAttribute(machineElement(doc), name)
}

/** Writes a moment as settings files hold it, `2026-01-31T12:00:00Z`. */
export function settingsTime(moment: Date): string {
  return `${moment.toISOString().slice(0, '2026-01-31T12:00:00'.length)}Z`
}

/** The first child element that stands behind a place in VirtualBox's order of elements. */
export function firstChildOf(parent: XmlElement, names: readonly string[]): XmlElement | undefined {
  return parent.children.find(
    (node): node is XmlElement => node.kind === 'element' && names.includes(node.name),
  )
}
