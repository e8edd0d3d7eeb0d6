// What measured machines look like, drawn from a seed: which blocks each state writes, and with what.
import { createHash } from 'node:crypto'

const MIB = 2 ** 20

/** In MiB at scale 1; `hot` is the share of each snapshot that lies in one region of a snapshot's size. */
export const SHAPES = {
  article: { capacity: 16384, base: 2048, snapshot: 512, snapshots: 13, hot: 1 / 2, disks: 1 },
  hot: { capacity: 8192, base: 1024, snapshot: 512, snapshots: 13, hot: 1, disks: 1 },
  many: { capacity: 8192, base: 1024, snapshot: 16, snapshots: 240, hot: 1 / 2, disks: 1 },
  huge: { capacity: 16384, base: 2048, snapshot: 4096, snapshots: 1, hot: 0, disks: 1 },
  disks: { capacity: 8192, base: 1024, snapshot: 256, snapshots: 13, hot: 1 / 2, disks: 2 },
}

/** A guest writes files, not single blocks. */
const LONGEST_RUN = 16

/** Bytes that no compression makes shorter; each sector begins with where it belongs. */
const NOISE = createHash('shake256', { outputLength: MIB }).update('vboxmerge').digest()
const ZEROS = Buffer.alloc(MIB)

/**
 * Returns the recipe of a machine. For each disk, `states[0]` is the base, then one state for each snapshot, lists of
 * blocks in the order of writing.
 *
 * @param shape A name of `SHAPES`.
 * @param scale 1 is full size; the number of snapshots stays.
 * @param snapshots How many, where it is not as many as the shape says.
 * @param zeros The share of blocks, 0 to 1, that hold nothing but zeros, as freed ones do after a clean-up.
 */
export function makeRecipe({ shape = 'article', scale, seed, zeros = 0, snapshots }) {
  const random = randomFrom(seed)
  const full = { ...SHAPES[shape], ...(snapshots === undefined ? {} : { snapshots }) }
  const blocksOf = mib => Math.max(1, Math.round(mib * scale))
  const count = blocksOf(full.capacity)
  const each = blocksOf(full.snapshot)
  const drawDisk = (_, disk) => {
    // A database, a log.
    const hot = { first: Math.floor(count / 3), count: Math.min(each, count) }
    const whole = { first: 0, count }
    const states = [drawRuns(random, whole, blocksOf(full.base))]
    for (let at = 0; at < full.snapshots; at++) {
      const part = drawRuns(random, hot, Math.ceil(each * full.hot))
      states.push(drawRuns(random, whole, each, part))
    }
    const isEmpty = (state, block) => isZero(seed + disk, state, block, zeros)
    return {
      name: `disk${disk}`,
      capacityMiB: count,
      states,
      content: state => (block, size) => content(state, block, size, isEmpty(state, block)),
      ...figures(states, isEmpty),
    }
  }
  return recipeOf(Array.from({ length: full.disks }, drawDisk))
}

/** Adds up what the disks of a machine say. */
export function recipeOf(disks) {
  const sum = key => disks.reduce((total, disk) => total + (disk[key] ?? 0), 0)
  return {
    disks,
    snapshots: disks[0].states.length - 1,
    dataMiB: disks.reduce(
      (total, { states }) => total + states.reduce((all, { length }) => all + length, 0),
      0,
    ),
    /** What merging has to write: blocks that are newest in a snapshot. */
    mergedMiB: sum('mergedMiB'),
    /** The same without blocks of zeros. */
    compactedMiB: sum('compactedMiB'),
    /** What a flat copy without blocks of zeros holds. */
    flatMiB: sum('flatMiB'),
  }
}

function figures(states, isEmpty) {
  const newest = new Map()
  for (const [state, blocks] of states.entries()) for (const block of blocks) newest.set(block, state)
  const all = [...newest].map(([block, state]) => ({ state, isData: !isEmpty(state, block) }))
  const above = all.filter(({ state }) => state > 0)
  return {
    mergedMiB: above.length,
    compactedMiB: above.filter(({ isData }) => isData).length,
    flatMiB: all.filter(({ isData }) => isData).length,
  }
}

/** Adds runs of a region to `taken` until there are `wanted` blocks, all different. */
function drawRuns(random, region, wanted, taken = []) {
  const seen = new Set(taken)
  while (seen.size < Math.min(wanted, region.count)) {
    const first = region.first + Math.floor(random() * region.count)
    const length = 1 + Math.floor(random() * LONGEST_RUN)
    const end = Math.min(first + length, region.first + region.count)
    for (let block = first; block < end && seen.size < wanted; block++) seen.add(block)
  }
  return [...seen]
}

function content(state, block, size, isEmpty) {
  if (isEmpty) return ZEROS.subarray(0, size)
  const bytes = Buffer.from(NOISE.subarray(0, size))
  for (let at = 0; at < size; at += 512) {
    bytes.writeUInt32LE(state, at)
    bytes.writeUInt32LE(block, at + 4)
    bytes.writeUInt32LE(at + 1, at + 8)
  }
  return bytes
}

function isZero(seed, state, block, share) {
  return share > 0 && randomFrom(seed * 1_000_003 + state * 8191 + block)() < share
}

/** Returns numbers from 0 to 1 (mulberry32). */
function randomFrom(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
