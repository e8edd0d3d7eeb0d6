import { Buffer } from 'node:buffer'
import { editDocument, firstChildOf } from './edit_document.ts'
import type { SettingsDocument } from './settings_document.ts'
import { machineElement } from './settings_elements.ts'
import { BEHIND_SNAPSHOT } from './state_sections.ts'
import { createElement, getAttribute, insertElement, removeElement, setAttribute } from './xml/xml_edit.ts'
import { childElement, childElements, type XmlElement } from './xml/xml_tree.ts'

/** Children of `Machine` that VirtualBox writes behind the extra data. */
const BEHIND_EXTRA_DATA: readonly string[] = ['Snapshot', ...BEHIND_SNAPSHOT]

/**
 * Sets an item of the machine's extra data, or takes it away when the value is undefined. VirtualBox
 * writes the items in the order of their names.
 *
 * @throws VboxmergeError `invalid_options` when name or value hold a character that XML forbids
 */
export function setExtraData(
  doc: SettingsDocument,
  name: string,
  value: string | undefined,
): SettingsDocument {
  return editDocument(doc, draft => {
    const machine = machineElement(draft)
    const list = childElement(machine, 'ExtraData')
    const items = list === undefined ? [] : childElements(list, 'ExtraDataItem')
    const item = items.find(candidate => getAttribute(candidate, 'name') === name)
    if (value === undefined) {
      if (item !== undefined) removeItem(draft, item)
    } else if (item !== undefined) {
      setAttribute(item, 'value', value, draft.style)
    } else {
      const added = createElement(
        'ExtraDataItem',
        [
          ['name', name],
          ['value', value],
        ],
        draft.style,
      )
      const next = items.find(other => comesBefore(name, getAttribute(other, 'name') ?? ''))
      insertElement(list ?? addList(draft, machine), added, draft.style, next)
    }
  })
}

function addList(draft: SettingsDocument, machine: XmlElement): XmlElement {
  const list = createElement('ExtraData', [], draft.style)
  insertElement(machine, list, draft.style, firstChildOf(machine, BEHIND_EXTRA_DATA))
  return list
}

function removeItem(draft: SettingsDocument, item: XmlElement): void {
  const list = item.parent
  removeElement(item, draft.style)
  if (list !== undefined && list.children.length === 0) removeElement(list, draft.style)
}

/** VirtualBox compares the UTF-8 bytes. */
function comesBefore(a: string, b: string): boolean {
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0
}
