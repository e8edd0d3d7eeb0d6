import { NO_OWNER, type OwnedRange, OwnerMap, ZERO_OWNER } from '../blocks/owner_map.ts'
import { VboxmergeError } from '../errors.ts'
import type { Files } from '../io/files.ts'
import { checkLinks } from './check_links.ts'
import { type OpenVdi, openImage } from './open_image.ts'
import { blockOffset, checkTable, readTable } from './vdi/block_table.ts'
import { MAX_BLOCKS } from './vdi/layout.ts'

/** A run of bytes of a virtual disk: `data` is held by an image, `zero` by none and reads as zeros. */
export interface Extent {
  readonly start: number
  readonly length: number
  readonly kind: 'data' | 'zero'
}

/** A chain of images, read as the guest sees the disk. */
export interface ChainView {
  /** Size of the virtual disk in bytes: that of the top image. */
  readonly capacity: number
  /** The images of the chain, lowest first. The view closes their files. */
  readonly images: readonly OpenVdi[]
  /** Which of the images holds each part of the disk. */
  readonly owners: OwnerMap
  /**
   * Fills the whole buffer with what lies at byte `position` of the disk. Calls may overlap.
   *
   * @throws A RangeError for what is not wholly inside the disk; `image_corrupt` when a file has become
   *   shorter since it was opened.
   */
  read(buffer: Uint8Array, position: number): Promise<void>
  /** The disk from byte `from` (default 0) to its end: neighbours differ in kind. Reads no file. */
  extents(from?: number): Generator<Extent, void, undefined>
  close(): Promise<void>
}

/** How a chain is opened. */
export interface ChainOptions {
  readonly signal?: AbortSignal
  /**
   * `check` (the default) refuses images whose UUIDs do not link them in this order. `ignore` reads them so
   * all the same: while links are being changed, or a part of a chain.
   */
  readonly links?: 'check' | 'ignore'
}

/** Where a run of bytes of the disk lies: `image` undefined means that it reads as zeros. */
interface Run {
  readonly image: OpenVdi | undefined
  /** Byte of the image's file. */
  readonly offset: number
  readonly length: number
}

/** Reads in flight for one call of `read`. */
const PARALLEL_READS = 4

/** Units looked up at once when extents are walked. */
const WINDOW_UNITS = 256

/**
 * Opens a chain of images for reading, lowest first. All block tables are checked; one at a time is held in
 * memory, and six bytes a block for the whole chain.
 *
 * @throws What `openImage` throws; `image_corrupt` for a block table that cannot be followed;
 *   `chain_mismatch`; the signal's reason.
 */
export async function openChain(
  files: Files,
  paths: readonly string[],
  options: ChainOptions = {},
): Promise<ChainView> {
  const images: OpenVdi[] = []
  try {
    for (const path of paths) {
      options.signal?.throwIfAborted()
      images.push(await openImage(files, path, 'read'))
    }
    if (options.links !== 'ignore') checkLinks(images)
    return chainView(images, await mapOwners(images, options.signal))
  } catch (error) {
    await closeAll(images)
    throw error
  }
}

async function mapOwners(images: readonly OpenVdi[], signal: AbortSignal | undefined): Promise<OwnerMap> {
  const top = images.at(-1)
  if (top === undefined) throw new RangeError('Cannot read a chain: it has no images')
  const unit = Math.min(...images.map(({ header }) => header.blockSize))
  if (top.header.capacity / unit > MAX_BLOCKS) {
    const problem = `its ${top.header.capacity} bytes are more than ${MAX_BLOCKS} blocks of ${unit} bytes`
    throw new VboxmergeError(
      'unsupported',
      `Cannot read "${top.path}": ${problem}, the smallest in its chain`,
    )
  }
  const map = new OwnerMap(top.header.capacity, unit)
  const scratch = new Uint32Array(Math.max(...images.map(({ header }) => header.blockCount)))
  for (const [index, image] of [...images.entries()].reverse()) {
    const table = await readTable(image, signal, scratch)
    checkTable(image.header, table, image.fileSize, image.path)
    map.add(index, image.header, table)
  }
  return map
}

function chainView(images: readonly OpenVdi[], map: OwnerMap): ChainView {
  const { capacity } = map
  return {
    capacity,
    images,
    owners: map,
    read: async (buffer, position) => {
      const end = position + buffer.length
      if (!(Number.isSafeInteger(position) && position >= 0 && end <= capacity)) {
        throw new RangeError(`Cannot read bytes ${position} to ${end} of a disk of ${capacity} bytes`)
      }
      await readRuns(runs(images, map, position, end), buffer)
    },
    extents: (from = 0) => extents(map, from),
    close: () => closeAll(images),
  }
}

async function readRuns(found: Iterable<Run>, buffer: Uint8Array): Promise<void> {
  let reads: Promise<void>[] = []
  let done = 0
  for (const run of found) {
    const part = buffer.subarray(done, done + run.length)
    done += run.length
    if (run.image === undefined) part.fill(0)
    else reads.push(readFull(run.image, part, run.offset))
    if (reads.length < PARALLEL_READS) continue
    await allDone(reads)
    reads = []
  }
  await allDone(reads)
}

/** Waits for all, also when one fails: the caller may reuse the buffer and close the files after that. */
async function allDone(reads: readonly Promise<void>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(reads)) {
    if (outcome.status === 'rejected') throw outcome.reason
  }
}

async function readFull(image: OpenVdi, part: Uint8Array, offset: number): Promise<void> {
  const done = await image.file.read(part, offset)
  if (done === part.length) return
  const problem = `it ended at byte ${offset + done}, before byte ${offset + part.length} that its table refers to`
  throw new VboxmergeError('image_corrupt', `Cannot read "${image.path}": ${problem}`)
}

/** Joins neighbours that lie one behind the other in the same file, or that read as zeros. */
function* runs(images: readonly OpenVdi[], map: OwnerMap, start: number, end: number): Generator<Run> {
  let open: Run = { image: undefined, offset: 0, length: 0 }
  for (const range of ranges(map, start, end)) {
    const image = images[range.owner]
    const offset = image === undefined ? 0 : blockOffset(image.header, range.slot) + range.offset
    const continues = image === undefined || offset === open.offset + open.length
    if (image === open.image && continues) {
      open = { ...open, length: open.length + range.length }
    } else {
      if (open.length > 0) yield open
      open = { image, offset, length: range.length }
    }
  }
  if (open.length > 0) yield open
}

function* extents(map: OwnerMap, from: number): Generator<Extent, void, undefined> {
  if (!(Number.isSafeInteger(from) && from >= 0))
    throw new RangeError(`Cannot start at byte ${from} of a disk`)
  let open: Extent = { start: from, length: 0, kind: 'zero' }
  for (const { start, length, owner } of ranges(map, from, map.capacity)) {
    const kind = owner === NO_OWNER || owner === ZERO_OWNER ? 'zero' : 'data'
    if (kind === open.kind) {
      open = { ...open, length: open.length + length }
    } else {
      if (open.length > 0) yield open
      open = { start, length, kind }
    }
  }
  if (open.length > 0) yield open
}

/** The owners of a part of the disk: holes whole, the rest looked up by the window to take little memory. */
function* ranges(map: OwnerMap, start: number, end: number): Generator<OwnedRange> {
  for (let from = start; from < end; ) {
    const isHole = isHoleAt(map, Math.floor(from / map.unitSize))
    const to = Math.min(end, isHole ? endOfHole(map, from) : from + WINDOW_UNITS * map.unitSize)
    if (isHole) yield { start: from, length: to - from, owner: NO_OWNER, slot: 0, offset: 0 }
    else yield* map.ranges(from, to)
    from = to
  }
}

function endOfHole(map: OwnerMap, from: number): number {
  let unit = Math.floor(from / map.unitSize)
  while (unit < map.owners.length && isHoleAt(map, unit)) unit++
  return unit * map.unitSize
}

function isHoleAt(map: OwnerMap, unit: number): boolean {
  const owner = map.owners[unit] ?? NO_OWNER
  return owner === NO_OWNER || owner === ZERO_OWNER
}

async function closeAll(images: readonly OpenVdi[]): Promise<void> {
  await Promise.all(images.map(({ file }) => file.close()))
}
