import { type SettingsDocument, settingsCorrupt } from './settings_document.ts'
import { getAttribute } from './xml/xml_edit.ts'
import type { XmlElement } from './xml/xml_tree.ts'

/**
 * Reads a truth value, spelled in any of the ways that VirtualBox reads; undefined when it is not there.
 *
 * @throws VboxmergeError `settings_corrupt` for anything else
 */
export function readBoolean(doc: SettingsDocument, element: XmlElement, name: string): boolean | undefined {
  const text = getAttribute(element, name)
  if (text === undefined) return undefined
  if (text === 'true' || text === 'yes' || text === '1') return true
  if (text === 'false' || text === 'no' || text === '0') return false
  throw settingsCorrupt(
    doc.file,
    `the "${name}" of a "${element.name}" is ${JSON.stringify(text.slice(0, 80))}, not true or false`,
  )
}
