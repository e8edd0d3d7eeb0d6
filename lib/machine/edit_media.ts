import { VboxmergeError } from '../errors.ts'
import { editDocument } from './edit_document.ts'
import type { Uuid } from './machine.ts'
import type { SettingsDocument } from './settings_document.ts'
import {
  bracedUuid,
  eachHardDiskElement,
  eachSnapshotElement,
  machineElement,
  requiredUuid,
  snapshotElement,
} from './settings_elements.ts'
import { replaceImages } from './state_sections.ts'
import {
  createElement,
  indentOf,
  insertElement,
  removeElement,
  replaceElement,
  setAttribute,
  shiftContent,
} from './xml/xml_edit.ts'
import { childElements, type XmlElement } from './xml/xml_tree.ts'

/** A differencing image to be listed. */
export interface AddedMedium {
  readonly id: Uuid
  /** As it is to be written: relative to the machine's folder when it lies inside. */
  readonly location: string
  /** For example `VDI`. */
  readonly format: string
  /** Whether it is emptied at each start of the machine, as those of immutable images are. */
  readonly autoReset?: boolean
}

/**
 * Attaches another image in place of one.
 *
 * @param scope the current state, one snapshot, or all states
 * @throws VboxmergeError `snapshot_not_found`
 */
export function replaceImage(
  doc: SettingsDocument,
  scope: 'machine' | 'all' | Uuid,
  from: Uuid,
  to: Uuid,
): SettingsDocument {
  return editDocument(doc, draft => {
    const images = new Map([[from, to]])
    for (const state of statesOf(draft, scope)) replaceImages(draft, state, images)
  })
}

/**
 * Lists a chain of images as folded into an image below them: they vanish from the registry, and the
 * children of the topmost become children of `target`, in its place.
 *
 * @param removed the images from the child of `target` to the topmost one, in any order
 * @throws VboxmergeError `image_missing` when the target is not listed; `chain_mismatch` when they are no
 * chain that starts at its child, or when an image below the topmost has another child
 */
export function foldMedia(doc: SettingsDocument, target: Uuid, removed: readonly Uuid[]): SettingsDocument {
  return editDocument(doc, draft => {
    const waiting = new Set(removed)
    const elements: XmlElement[] = []
    let top = mediumElement(draft, target)
    while (waiting.size > 0) {
      const [only, other] = childElements(top, 'HardDisk')
      if (only === undefined || other !== undefined || !waiting.delete(requiredUuid(draft, only))) {
        throw notAChain(draft, target, removed)
      }
      elements.push(only)
      top = only
    }
    const [lowest] = elements
    if (lowest === undefined) return
    const children = childElements(top, 'HardDisk')
    for (const child of children) shiftContent(child, indentOf(lowest).length - indentOf(child).length)
    replaceElement(lowest, children, draft.style)
  })
}

/**
 * Takes images off the machine's registry, one after the other. Their files and attachments are left alone.
 *
 * @throws VboxmergeError `image_missing` when one is not listed; `chain_mismatch` when one has a child that does not
 * come before it in `ids`
 */
export function removeMedia(doc: SettingsDocument, ids: readonly Uuid[]): SettingsDocument {
  if (ids.length === 0) return doc
  return editDocument(doc, draft => {
    const elements = new Map<Uuid, XmlElement>()
    for (const element of eachHardDiskElement(machineElement(draft))) {
      elements.set(requiredUuid(draft, element), element)
    }
    for (const id of ids) {
      const element = elements.get(id)
      if (element === undefined) throw notListed(draft, id)
      removeLeaf(draft, element, id)
      elements.delete(id)
    }
  })
}

function removeLeaf(draft: SettingsDocument, element: XmlElement, id: Uuid): void {
  if (childElements(element, 'HardDisk').length > 0) {
    throw new VboxmergeError(
      'chain_mismatch',
      `Cannot take {${id}} out of ${JSON.stringify(draft.file)}: it has differencing images over it`,
    )
  }
  removeElement(element, draft.style)
}

/**
 * Lists a differencing image as the last child of another image.
 *
 * @throws VboxmergeError `image_missing` when the parent is not listed; `chain_mismatch` when the image is
 * listed already; `invalid_options` when the location holds a character that XML forbids
 */
export function addMedium(doc: SettingsDocument, parentId: Uuid, added: AddedMedium): SettingsDocument {
  return editDocument(doc, draft => {
    if (findMedium(draft, added.id) !== undefined) {
      throw new VboxmergeError(
        'chain_mismatch',
        `Cannot add {${added.id}} to ${JSON.stringify(draft.file)}: it is listed already`,
      )
    }
    const attributes: (readonly [string, string])[] = [
      ['uuid', bracedUuid(added.id)],
      ['location', added.location],
      ['format', added.format],
    ]
    if (added.autoReset === true) attributes.push(['autoReset', 'true'])
    insertElement(
      mediumElement(draft, parentId),
      createElement('HardDisk', attributes, draft.style),
      draft.style,
    )
  })
}

/**
 * Lists an image as being in another place.
 *
 * @throws VboxmergeError `image_missing` when it is not listed; `invalid_options` when the location holds a character
 * that XML forbids
 */
export function moveMedium(doc: SettingsDocument, id: Uuid, location: string): SettingsDocument {
  return editDocument(doc, draft => setAttribute(mediumElement(draft, id), 'location', location, draft.style))
}

function statesOf(draft: SettingsDocument, scope: 'machine' | 'all' | Uuid): XmlElement[] {
  if (scope === 'machine') return [machineElement(draft)]
  if (scope === 'all') return [...eachSnapshotElement(draft), machineElement(draft)]
  return [snapshotElement(draft, scope)]
}

function findMedium(draft: SettingsDocument, id: Uuid): XmlElement | undefined {
  for (const element of eachHardDiskElement(machineElement(draft))) {
    if (requiredUuid(draft, element) === id) return element
  }
  return undefined
}

function mediumElement(draft: SettingsDocument, id: Uuid): XmlElement {
  const element = findMedium(draft, id)
  if (element !== undefined) return element
  throw notListed(draft, id)
}

function notListed(draft: SettingsDocument, id: Uuid): VboxmergeError {
  return new VboxmergeError(
    'image_missing',
    `Cannot edit ${JSON.stringify(draft.file)}: its registry does not list the image {${id}}`,
  )
}

function notAChain(draft: SettingsDocument, target: Uuid, removed: readonly Uuid[]): VboxmergeError {
  return new VboxmergeError(
    'chain_mismatch',
    `Cannot fold images in ${JSON.stringify(draft.file)}: ${removed.map(bracedUuid).join(', ')} are no chain ` +
      `over ${bracedUuid(target)} without other children`,
  )
}
