import { VboxmergeError } from '../../errors.ts'
import { editDocument } from '../../machine/edit_document.ts'
import type { Uuid } from '../../machine/machine.ts'
import type { SettingsDocument } from '../../machine/settings_document.ts'
import {
  eachDiskElement,
  eachHardDiskElement,
  machineElement,
  requiredUuid,
  snapshotElement,
} from '../../machine/settings_elements.ts'
import { indentOf, removeElement, replaceElement, shiftContent } from '../../machine/xml/xml_edit.ts'
import { childElement, childElements } from '../../machine/xml/xml_tree.ts'

/**
 * Takes a disk out of a snapshot, as VirtualBox does with each disk that it has merged while it deletes one.
 *
 * @throws {VboxmergeError} `snapshot_not_found`
 */
export function detachImage(doc: SettingsDocument, snapshot: Uuid, image: Uuid): SettingsDocument {
  return editDocument(doc, draft => {
    for (const { device } of [...eachDiskElement(snapshotElement(draft, snapshot))]) {
      const named = childElement(device, 'Image')
      if (named !== undefined && requiredUuid(draft, named) === image) removeElement(device, draft.style)
    }
  })
}

/**
 * Takes an image out of the machine's registry; its children take its place below its parent.
 *
 * @throws {VboxmergeError} `image_missing` when it is not listed
 */
export function takeOutOfChain(doc: SettingsDocument, image: Uuid): SettingsDocument {
  return editDocument(doc, draft => {
    for (const element of eachHardDiskElement(machineElement(draft))) {
      if (requiredUuid(draft, element) !== image) continue
      const children = childElements(element, 'HardDisk')
      const indent = indentOf(element).length
      for (const child of children) shiftContent(child, indent - indentOf(child).length)
      replaceElement(element, children, draft.style)
      return
    }
    throw new VboxmergeError(
      'image_missing',
      `Cannot edit ${JSON.stringify(doc.file)}: the image {${image}} is not listed in it`,
    )
  })
}
