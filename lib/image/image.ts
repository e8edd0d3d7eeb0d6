import type { OpenFile } from '../io/files.ts'
import type { Uuid } from '../machine/machine.ts'

/** How an image keeps its blocks. */
export type ImageVariant = 'dynamic' | 'fixed' | 'differencing'

/** What the header of an image says, whatever its format. */
export interface ImageHeader {
  readonly format: 'VDI'
  readonly variant: ImageVariant
  /** Size of the virtual disk in bytes; a multiple of 512. */
  readonly capacity: number
  /** Bytes of a block, a power of two. */
  readonly blockSize: number
  /** Bytes in front of the data of every block. */
  readonly blockExtra: number
  /** Entries of the block table. */
  readonly blockCount: number
  /** Physical blocks in the file. */
  readonly allocatedBlocks: number
  /** File offset of the block table in bytes. */
  readonly tableOffset: number
  /** File offset of the first physical block in bytes. */
  readonly dataOffset: number
  /** The identity of the image. */
  readonly id: Uuid
  readonly modification: Uuid
  /** Undefined for a base. */
  readonly parent: Uuid | undefined
  readonly parentModification: Uuid | undefined
}

/** An image whose file is open. The opener closes `file`. */
export interface OpenImage {
  readonly path: string
  readonly file: OpenFile
  readonly header: ImageHeader
  /** Length of the file in bytes when it was opened. */
  readonly fileSize: number
}
