import { Buffer } from 'node:buffer'
import { VboxmergeError } from '../errors.ts'
import { parseXml } from './xml/parse_xml.ts'
import { xmlPieces } from './xml/write_xml.ts'
import { decodeAttribute } from './xml/xml_text.ts'
import {
  childElement,
  eachElement,
  type XmlDocument,
  type XmlElement,
  type XmlStyle,
} from './xml/xml_tree.ts'

/**
 * A settings file of VirtualBox: a tree that keeps every character, so that only what an edit changes
 * differs by a byte from the file. The editing functions return a new document and leave theirs alone.
 */
export interface SettingsDocument {
  /** The file's path, for messages and for relative paths in it. */
  readonly file: string
  readonly byteOrderMark: boolean
  readonly style: XmlStyle
  readonly xml: XmlDocument
}

/** Bytes of the longest settings file that is read; 250 snapshots of a large machine need some 10 MiB. */
export const MAX_SETTINGS_BYTES: number = 64 * 1024 * 1024

const NAMESPACES: ReadonlySet<string> = new Set([
  'http://www.virtualbox.org/',
  'http://www.innotek.de/VirtualBox-settings',
])
const OLDEST_MINOR_VERSION = 11
const NEWEST_MINOR_VERSION = 19
const BYTE_ORDER_MARK = Buffer.from('\ufeff')

/**
 * Reads a machine's `.vbox` file, versions 1.11 (VirtualBox 4.0) to 1.19 (7.0 to 7.2) of any platform.
 *
 * @param bytes its content, to which the document refers: it must not change
 * @param file its path, named in messages
 * @throws VboxmergeError `settings_corrupt` when it is empty, longer than {@link MAX_SETTINGS_BYTES}, not
 * UTF-8, not well-formed, has a document type, or is no machine; `unsupported` for another version;
 * `image_encrypted` when the whole machine is encrypted
 */
export function parseSettings(bytes: Uint8Array, file: string): SettingsDocument {
  const doc = parseVirtualBoxXml(bytes, file)
  if (childElement(doc.xml.root, 'MachineEncrypted') !== undefined) {
    throw new VboxmergeError(
      'image_encrypted',
      `Cannot read ${JSON.stringify(file)}: the whole machine is encrypted; remove its encryption with VBoxManage encryptvm first`,
    )
  }
  if (childElement(doc.xml.root, 'Machine') === undefined)
    throw settingsCorrupt(file, 'there is no machine in it')
  return doc
}

/**
 * Reads any settings file of VirtualBox, also `VirtualBox.xml`.
 *
 * @throws VboxmergeError `settings_corrupt` or `unsupported` like {@link parseSettings}
 */
export function parseVirtualBoxXml(bytes: Uint8Array, file: string): SettingsDocument {
  checkLength(bytes, file)
  const byteOrderMark = BYTE_ORDER_MARK.equals(bytes.subarray(0, BYTE_ORDER_MARK.length))
  const text = byteOrderMark ? bytes.subarray(BYTE_ORDER_MARK.length) : bytes
  const xml = parseChecked(text, file)
  checkVersion(xml.root, file)
  return { file, byteOrderMark, style: styleOf(text, xml), xml }
}

/**
 * Yields a document's bytes in pieces of at most a MiB; without an edit these are the bytes it was read from. The memory
 * of a piece is used again for the next one.
 */
export function* settingsPieces(doc: SettingsDocument): Generator<Uint8Array> {
  if (doc.byteOrderMark) yield BYTE_ORDER_MARK
  yield* xmlPieces(doc.xml)
}

/** Writes a document as bytes. */
export function serializeSettings(doc: SettingsDocument): Uint8Array {
  return Buffer.concat(Array.from(settingsPieces(doc), piece => Buffer.from(piece)))
}

/** A failure that says what is wrong with a settings file and where VirtualBox keeps the one before. */
export function settingsCorrupt(file: string, found: string, cause?: unknown): VboxmergeError {
  return new VboxmergeError(
    'settings_corrupt',
    `Cannot read ${JSON.stringify(file)}: ${found}; VirtualBox keeps the version before beside it with "-prev" at the end of its name`,
    { cause },
  )
}

function checkLength(bytes: Uint8Array, file: string): void {
  if (bytes.length === 0) throw settingsCorrupt(file, 'the file is empty')
  if (bytes.length > MAX_SETTINGS_BYTES) {
    throw settingsCorrupt(file, `it has ${bytes.length} bytes, more than the ${MAX_SETTINGS_BYTES} allowed`)
  }
}

function parseChecked(bytes: Uint8Array, file: string): XmlDocument {
  try {
    return parseXml(bytes)
  } catch (error) {
    throw settingsCorrupt(file, error instanceof Error ? error.message : String(error), error)
  }
}

function checkVersion(root: XmlElement, file: string): void {
  const value = (name: string): string | undefined => {
    const raw = root.attributes.find(attribute => attribute.name === name)?.raw
    return raw === undefined ? undefined : decodeAttribute(raw)
  }
  if (root.name !== 'VirtualBox')
    throw settingsCorrupt(file, `it is a "${root.name}", not VirtualBox settings`)
  const namespace = value('xmlns')
  if (namespace === undefined || !NAMESPACES.has(namespace)) {
    throw settingsCorrupt(
      file,
      `its namespace is ${JSON.stringify(namespace ?? '')}, which is not VirtualBox's`,
    )
  }
  const version = value('version')
  if (version === undefined) throw settingsCorrupt(file, 'it has no settings version')
  const minor = Number(/^1\.([0-9]{1,3})(?:-[0-9A-Za-z]+)?$/.exec(version)?.[1])
  if (!(minor >= OLDEST_MINOR_VERSION && minor <= NEWEST_MINOR_VERSION)) {
    throw new VboxmergeError(
      'unsupported',
      `Cannot read ${JSON.stringify(file)}: its settings version is ${JSON.stringify(version)}; 1.${OLDEST_MINOR_VERSION} to ` +
        `1.${NEWEST_MINOR_VERSION} are known (open and save the machine with a VirtualBox that writes one of them)`,
    )
  }
}

function styleOf(text: Uint8Array, { prolog, root }: XmlDocument): XmlStyle {
  const newline = text.indexOf(0x0a)
  let beforeClose = ''
  for (const element of eachElement(root)) {
    if (element.endTag !== undefined) continue
    beforeClose = element.beforeClose
    break
  }
  return {
    eol: newline > 0 && text[newline - 1] === 0x0d ? '\r\n' : '\n',
    quote: root.attributes[0]?.quote ?? '"',
    beforeClose,
    ascii: !/^<\?xml[^?]*encoding/.test(prolog),
  }
}
