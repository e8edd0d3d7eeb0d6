import { VboxmergeError } from '../errors.ts'
import type { Uuid } from './machine.ts'
import type { SettingsDocument } from './settings_document.ts'
import { bracedUuid, eachDiskElement, nvramElement, requiredUuid } from './settings_elements.ts'
import {
  copyFor,
  createElement,
  getAttribute,
  insertElement,
  removeAttribute,
  removeElement,
  replaceElement,
  setAttribute,
} from './xml/xml_edit.ts'
import { childElement, childElements, type XmlElement } from './xml/xml_tree.ts'

/**
 * The elements that a snapshot and the current state both have, in VirtualBox's order. Taking a snapshot
 * copies them into it, restoring it copies them back.
 */
const STATE_SECTIONS: readonly string[] = [
  'Hardware',
  'StorageControllers',
  'Debugging',
  'Autostart',
  'Recording',
  'VideoCapture',
]

/** Children of `Machine` that VirtualBox writes behind the first snapshot, in its order. */
export const BEHIND_SNAPSHOT: readonly string[] = [...STATE_SECTIONS, 'Groups']

/** Elements of `BIOS` that VirtualBox writes behind `NVRAM`. */
const BEHIND_NVRAM: readonly string[] = ['SmbiosUuidLittleEndian', 'AutoSerialNumGen']

/** The sections of a `Machine` or `Snapshot`. */
export function stateSections(state: XmlElement): XmlElement[] {
  return childElements(state).filter(element => STATE_SECTIONS.includes(element.name))
}

/** Copies the sections of a state for a place whose lines start with `indent`. */
export function copySections(state: XmlElement, indent: string): XmlElement[] {
  return stateSections(state).map(section => copyFor(section, indent))
}

/** Puts other sections in the place of a state's own; a state without any gets them at its end. */
export function replaceSections(
  doc: SettingsDocument,
  state: XmlElement,
  sections: readonly XmlElement[],
): void {
  const [first, ...rest] = stateSections(state)
  for (const section of rest) removeElement(section, doc.style)
  if (first !== undefined) replaceElement(first, sections, doc.style)
  else for (const section of sections) insertElement(state, section, doc.style)
}

/** Attaches other hard disks in a state: each key of `images` becomes its value. */
export function replaceImages(
  doc: SettingsDocument,
  state: XmlElement,
  images: ReadonlyMap<Uuid, Uuid>,
): void {
  for (const { device } of eachDiskElement(state)) {
    const image = childElement(device, 'Image')
    const by = image === undefined ? undefined : images.get(requiredUuid(doc, image))
    if (image !== undefined && by !== undefined) setAttribute(image, 'uuid', bracedUuid(by), doc.style)
  }
}

/** The file of a state's EFI variables as it is written; undefined when VirtualBox's default is meant. */
export function nvramPathOf(state: XmlElement): string | undefined {
  const nvram = nvramElement(state)
  return nvram === undefined ? undefined : getAttribute(nvram, 'path')
}

/**
 * Names the file of a state's EFI variables, or none. An `NVRAM` that says nothing else goes with it.
 *
 * @throws VboxmergeError `unsupported` when a name is to be written and there is no `BIOS` to hold it
 */
export function setNvramPath(doc: SettingsDocument, state: XmlElement, path: string | undefined): void {
  const nvram = nvramElement(state)
  if (path !== undefined) {
    setAttribute(nvram ?? addNvram(doc, state), 'path', path, doc.style, ['path', 'keyId', 'keyStore'])
  } else if (nvram !== undefined) {
    removeAttribute(nvram, 'path')
    if (nvram.attributes.length === 0) removeElement(nvram, doc.style)
  }
}

function addNvram(doc: SettingsDocument, state: XmlElement): XmlElement {
  const hardware = childElement(state, 'Hardware')
  const bios = hardware === undefined ? undefined : childElement(hardware, 'BIOS')
  if (bios === undefined) {
    throw new VboxmergeError(
      'unsupported',
      `Cannot edit ${JSON.stringify(doc.file)}: it has EFI variables, but no "BIOS" element`,
    )
  }
  const nvram = createElement('NVRAM', [], doc.style)
  const next = childElements(bios).find(element => BEHIND_NVRAM.includes(element.name))
  insertElement(bios, nvram, doc.style, next)
  return nvram
}
