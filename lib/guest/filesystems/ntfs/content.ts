import type { BlockDevice } from '../../device.ts'
import { damaged } from '../windows/fields.ts'
import type { Geometry } from './boot_sector.ts'
import { COMPRESSED, ENCRYPTED } from './layout.ts'
import type { Attribute } from './mft_record.ts'
import { decodeRuns, MAX_RUNS, type Run } from './run_list.ts'

/** A device with the division of the volume on it. */
export interface Ground {
  readonly device: BlockDevice
  readonly geometry: Geometry
}

/** The bytes of an attribute, wherever they are. Reads as zeros from `initializedSize` on. */
export interface Content {
  /** Names it in problems: `$MFT`. */
  readonly what: string
  readonly flags: number
  /** Bytes. */
  readonly size: number
  readonly initializedSize: number
  readonly value: Uint8Array | undefined
  /** Ascending and without gaps from VCN 0. */
  readonly runs: readonly Run[]
}

/**
 * Puts the attributes together that tell of the same content.
 *
 * @param pieces By ascending VCN.
 * @param runs Grows as pieces are read, for whoever needs a part of the content to find the next piece.
 * @returns Undefined when there is no piece.
 * @throws A GuestProblem for pieces that do not fit.
 */
export async function joinPieces(
  pieces: AsyncIterable<Attribute>,
  geometry: Geometry,
  what: string,
  runs: Run[] = [],
): Promise<Content | undefined> {
  let first: Attribute | undefined
  let next = 0
  for await (const piece of pieces) {
    const { extent } = piece
    if (first !== undefined && (first.value !== undefined || extent === undefined || next === 0)) {
      throw damaged(`it has more than one ${what}`)
    }
    first ??= piece
    if (extent === undefined) continue
    if (extent.lowest !== next) throw damaged(`${what} goes on at VCN ${extent.lowest} instead of ${next}`)
    for (const run of decodeRuns(extent.runList, extent, geometry.clusters, what)) runs.push(run)
    if (runs.length > MAX_RUNS) throw damaged(`${what} is in more than ${MAX_RUNS} pieces`)
    next = Math.max(next, extent.highest + 1)
  }
  return first && contentOf(first, runs, next * geometry.clusterSize, what)
}

function contentOf(
  { flags, value, extent }: Attribute,
  runs: readonly Run[],
  allocated: number,
  what: string,
): Content {
  const size = value?.length ?? extent?.dataSize ?? 0
  const initializedSize = value?.length ?? extent?.initializedSize ?? 0
  if (extent !== undefined && (initializedSize > size || size > allocated)) {
    throw damaged(`${what} has ${initializedSize} of ${size} bytes in clusters for ${allocated} bytes`)
  }
  return { what, flags, size, initializedSize, value, runs }
}

/**
 * Returns a part of a content.
 *
 * @throws A GuestProblem when the content is shorter, or is stored in another way than byte for byte.
 */
export async function readContent(
  ground: Ground,
  content: Content,
  position: number,
  length: number,
): Promise<Uint8Array> {
  const { what, flags, size, initializedSize, value } = content
  const end = position + length
  if (end > size) throw damaged(`${what} is ${size} bytes long, and byte ${end - 1} is needed`)
  if (value !== undefined) return value.subarray(position, end)
  if ((flags & (COMPRESSED | ENCRYPTED)) !== 0) throw damaged(`${what} is compressed or encrypted`)
  const buffer = new Uint8Array(length)
  const wanted = buffer.subarray(0, Math.max(0, Math.min(length, initializedSize - position)))
  await readClusters(ground, content, wanted, position)
  return buffer
}

async function readClusters(
  { device, geometry }: Ground,
  { runs, what }: Content,
  buffer: Uint8Array,
  position: number,
): Promise<void> {
  const { clusterSize } = geometry
  let done = 0
  for (let at = runAt(runs, Math.floor(position / clusterSize)); done < buffer.length; at++) {
    const run = runs[at]
    if (run === undefined) throw damaged(`the place of byte ${position + done} of ${what} is not known`)
    const inRun = position + done - run.vcn * clusterSize
    const piece = buffer.subarray(done, done + run.count * clusterSize - inRun)
    if (run.lcn !== undefined) await device.read(piece, run.lcn * clusterSize + inRun)
    done += piece.length
  }
}

/** The index of the run that holds a VCN, found by halving. */
function runAt(runs: readonly Run[], vcn: number): number {
  let low = 0
  let high = runs.length
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const run = runs[middle] as Run
    if (run.vcn + run.count <= vcn) low = middle + 1
    else high = middle
  }
  return low
}
