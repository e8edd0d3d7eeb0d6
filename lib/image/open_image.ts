import { VboxmergeError } from '../errors.ts'
import type { FileStat, Files, OpenFile } from '../io/files.ts'
import type { OpenImage } from './image.ts'
import { checkTableFits } from './vdi/check_header.ts'
import { decodeHeader, type VdiHeader } from './vdi/header.ts'
import { KNOWN_BYTES } from './vdi/layout.ts'

/** A VDI image whose file is open. The opener closes `file`. */
export interface OpenVdi extends OpenImage {
  readonly header: VdiHeader
}

/** Bytes at the start of a file by which other image formats are known. */
const OTHER_FORMATS: readonly (readonly [start: string, format: string])[] = [
  ['KDMV', 'a VMDK'],
  ['COWD', 'a VMDK'],
  ['# Disk DescriptorFile', 'a VMDK descriptor'],
  ['conectix', 'a VHD'],
  ['vhdxfile', 'a VHDX'],
  ['QFI\xfb', 'a QCOW2'],
  ['WithoutFreeSpace', 'a Parallels disk'],
  ['WithouFreSpacExt', 'a Parallels disk'],
]

const KINDS: Readonly<Record<FileStat['kind'], string>> = {
  file: 'a file',
  folder: 'a folder',
  link: 'a symbolic link',
  other: 'a device, pipe or socket',
}

/**
 * Opens an image and reads its header.
 *
 * @throws `image_missing`; `unsupported` for a symbolic link, a folder, a device and the formats that are
 *   not read; `image_corrupt`. The message names the path.
 */
export async function openImage(files: Files, path: string, access: 'read' | 'write'): Promise<OpenVdi> {
  const stat = await files.stat(path)
  if (stat === undefined)
    throw new VboxmergeError(
      'image_missing',
      `Cannot open ${JSON.stringify(path)}: there is no such file; bring it back, or detach the disk`,
    )
  if (stat.kind !== 'file') throw notPlain(path, stat)
  const file = await files.open(path, access)
  try {
    const { size, kind } = await file.stat()
    if (kind !== 'file') throw notPlain(path, { kind })
    const header = await readHeader(file, path)
    checkTableFits(header, size, path)
    return { path, file, header, fileSize: size }
  } catch (error) {
    await file.close()
    throw error
  }
}

async function readHeader(file: OpenFile, path: string): Promise<VdiHeader> {
  const buffer = new Uint8Array(KNOWN_BYTES)
  const bytes = buffer.subarray(0, await file.read(buffer, 0))
  const start = String.fromCharCode(...bytes.subarray(0, 24))
  const other = OTHER_FORMATS.find(([known]) => start.startsWith(known))
  if (other === undefined) return decodeHeader(bytes, path)
  throw new VboxmergeError(
    'unsupported',
    `Cannot open ${JSON.stringify(path)}: it is ${other[1]} image, and only VDI images are read; the settings may name the wrong file`,
  )
}

function notPlain(path: string, { kind }: Pick<FileStat, 'kind'>): VboxmergeError {
  const help = kind === 'link' ? 'name its target in the settings instead' : 'an image is a plain file'
  return new VboxmergeError(
    'unsupported',
    `Cannot open ${JSON.stringify(path)}: it is ${KINDS[kind]}; ${help}`,
  )
}
