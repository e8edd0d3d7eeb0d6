import { dirname, resolve } from 'node:path'
import { VboxmergeError } from '../errors.ts'
import type { Medium, MediumType, Uuid } from './machine.ts'
import { readBoolean } from './read_boolean.ts'
import { type SettingsDocument, settingsCorrupt } from './settings_document.ts'
import { hardDisksElement, requiredAttribute, requiredUuid } from './settings_elements.ts'
import { getAttribute } from './xml/xml_edit.ts'
import { childElements, passingCopy, type XmlElement } from './xml/xml_tree.ts'

const TYPES: ReadonlyMap<string, MediumType> = new Map(
  (['Normal', 'Immutable', 'Writethrough', 'Shareable', 'Readonly', 'MultiAttach'] as const).map(type => [
    type.toLowerCase(),
    type,
  ]),
)

/** A medium whose children are still being read. */
interface GrowingMedium extends Medium {
  readonly children: Medium[]
}

/**
 * Reads the hard disks of a media registry.
 *
 * @param holder the element that holds the `MediaRegistry`: `Machine` or `Global`
 * @throws VboxmergeError `settings_corrupt` when an attribute is missing, a UUID is there twice, or a format has no name;
 * `unsupported` for an unknown type
 */
export function readMedia(doc: SettingsDocument, holder: XmlElement): Medium[] {
  const list = hardDisksElement(holder)
  if (list === undefined) return []
  const roots: Medium[] = []
  const seen = new Set<Uuid>()
  const waiting: [element: XmlElement, parent: GrowingMedium | undefined][] = reversed(list, undefined)
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [element, parent] = next
    const medium = readMedium(doc, element, parent)
    if (seen.has(medium.id)) throw settingsCorrupt(doc.file, `the medium {${medium.id}} is listed twice`)
    seen.add(medium.id)
    const siblings = parent?.children ?? roots
    siblings.push(medium)
    for (const child of reversed(element, medium)) waiting.push(child)
  }
  return roots
}

function reversed(
  holder: XmlElement,
  parent: GrowingMedium | undefined,
): [element: XmlElement, parent: GrowingMedium | undefined][] {
  return childElements(holder, 'HardDisk')
    .reverse()
    .map(element => [passingCopy(element), parent])
}

function readMedium(
  doc: SettingsDocument,
  element: XmlElement,
  parent: GrowingMedium | undefined,
): GrowingMedium {
  const location = requiredAttribute(doc, element, 'location')
  return {
    id: requiredUuid(doc, element),
    location,
    path: resolve(dirname(doc.file), location),
    format: readFormat(doc, element),
    type: parent === undefined ? readType(doc, element) : undefined,
    autoReset: readBoolean(doc, element, 'autoReset') ?? false,
    encrypted: parent?.encrypted === true || hasKeys(element),
    parent: parent?.id,
    children: [],
  }
}

/** Every format that VirtualBox knows has a name of letters and figures. */
function readFormat(doc: SettingsDocument, element: XmlElement): string {
  const format = requiredAttribute(doc, element, 'format')
  if (/^[A-Za-z0-9]{1,32}$/.test(format)) return format
  throw settingsCorrupt(
    doc.file,
    `the format of a hard disk is ${JSON.stringify(format.slice(0, 80))}, which is no name of one`,
  )
}

/** A base without a type is a normal one. */
function readType(doc: SettingsDocument, element: XmlElement): MediumType {
  const text = getAttribute(element, 'type') ?? 'Normal'
  const type = TYPES.get(text.toLowerCase())
  if (type !== undefined) return type
  throw new VboxmergeError(
    'unsupported',
    `Cannot read ${JSON.stringify(doc.file)}: a hard disk has the type ${JSON.stringify(text.slice(0, 80))}, which is not known; change it in VirtualBox (VBoxManage modifymedium --type)`,
  )
}

/** VirtualBox notes the keys of an encrypted chain at its base. */
function hasKeys(element: XmlElement): boolean {
  return childElements(element, 'Property').some(property => {
    const name = getAttribute(property, 'name')
    return name === 'CRYPT/KeyId' || name === 'CRYPT/KeyStore'
  })
}
