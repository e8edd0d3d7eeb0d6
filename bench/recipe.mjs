// What the measured machine looks like, drawn from a seed: which blocks each state writes, and with what.
import { createHash } from 'node:crypto'

const MIB = 2 ** 20

/** Bytes at scale 1. */
const FULL = { capacity: 16 * 1024 * MIB, base: 2 * 1024 * MIB, snapshot: 512 * MIB }

const SNAPSHOTS = 13

/** A guest writes files, not single blocks. */
const LONGEST_RUN = 16

/** Bytes that no compression makes shorter; each sector begins with where it belongs. */
const NOISE = createHash('shake256', { outputLength: MIB }).update('vboxmerge').digest()
const ZEROS = Buffer.alloc(MIB)

/**
 * Returns the recipe of a machine: `states[0]` is the base, then one state for each snapshot, lists of blocks
 * in the order of writing.
 *
 * @param scale 1 is a disk of 16 GiB with a base of 2 GiB and 13 snapshots of 512 MiB each.
 * @param zeros The share of blocks, 0 to 1, that hold nothing but zeros, as freed ones do after a clean-up.
 */
export function makeRecipe({ scale, seed, zeros = 0 }) {
  const random = randomFrom(seed)
  const blocksOf = bytes => Math.max(1, Math.round((bytes * scale) / MIB))
  const count = blocksOf(FULL.capacity)
  const each = blocksOf(FULL.snapshot)
  // The hot region has the size of one snapshot, and half of each snapshot lies in it: a database, a log.
  const hot = { first: Math.floor(count / 3), count: each }
  const whole = { first: 0, count }
  const states = [drawRuns(random, whole, blocksOf(FULL.base))]
  for (let at = 0; at < SNAPSHOTS; at++) {
    const half = drawRuns(random, hot, Math.ceil(each / 2))
    states.push(drawRuns(random, whole, each, half))
  }
  return {
    capacityMiB: count,
    dataMiB: states.reduce((sum, { length }) => sum + length, 0),
    states,
    content: state => (block, size) => content(state, block, size, isZero(seed, state, block, zeros)),
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
