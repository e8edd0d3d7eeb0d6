/**
 * RFC 7693, section 2.6: the initial state, the same as that of SHA-512. As everywhere below, a word of 64 bits is two
 * numbers of 32 bits, the lower half first: whole words would have to be `bigint`, which takes ten times as long.
 */
const INITIAL: Uint32Array = Uint32Array.of(
  ...[0xf3bcc908, 0x6a09e667, 0x84caa73b, 0xbb67ae85, 0xfe94f82b, 0x3c6ef372, 0x5f1d36f1, 0xa54ff53a],
  ...[0xade682d1, 0x510e527f, 0x2b3e6c1f, 0x9b05688c, 0xfb41bd6b, 0x1f83d9ab, 0x137e2179, 0x5be0cd19],
)

/** RFC 7693, section 2.7: the order of the words of a block, for ten rounds; the first two come again after them. */
const ORDERS: readonly (readonly number[])[] = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
  [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
  [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
  [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
  [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
]

/** The words of the working state that are mixed with each other: columns, then diagonals. */
const MIXED: readonly (readonly [number, number, number, number])[] = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
]

const ROUNDS = 12

const BLOCK = 128

/**
 * Returns the BLAKE2b hash of `bytes`, without a key. Node.js has the one of 64 bytes only, of which a shorter one is
 * no part.
 *
 * @param length Bytes of the hash, a multiple of 4 up to 64.
 */
export function blake2b(bytes: Uint8Array, length: number): Uint8Array {
  const state = INITIAL.slice()
  state[0] = half(state, 0) ^ 0x01010000 ^ length
  const blocks = Math.max(1, Math.ceil(bytes.length / BLOCK))
  for (let index = 0; index < blocks; index++) {
    const block = new Uint8Array(BLOCK)
    block.set(bytes.subarray(index * BLOCK, (index + 1) * BLOCK))
    const isLast = index === blocks - 1
    compress(state, block, isLast ? bytes.length : (index + 1) * BLOCK, isLast)
  }
  const hash = new Uint8Array(length)
  const view = new DataView(hash.buffer)
  for (let at = 0; at < length; at += 4) view.setUint32(at, half(state, at / 4), true)
  return hash
}

/** @param count Bytes of the message up to the end of this block, less than 2^32. */
function compress(state: Uint32Array, block: Uint8Array, count: number, isLast: boolean): void {
  const view = new DataView(block.buffer)
  const message = new Uint32Array(32)
  for (let at = 0; at < 32; at++) message[at] = view.getUint32(4 * at, true)
  const work = new Uint32Array(32)
  work.set(state)
  work.set(INITIAL, 16)
  work[24] = half(work, 24) ^ count
  if (isLast) {
    work[28] = ~half(work, 28)
    work[29] = ~half(work, 29)
  }
  for (let round = 0; round < ROUNDS; round++) {
    const order = ORDERS[round % ORDERS.length] as readonly number[]
    for (let index = 0; index < MIXED.length; index++) {
      const [a, b, c, d] = MIXED[index] as readonly [number, number, number, number]
      add(work, 2 * a, 2 * b, message, 2 * (order[2 * index] as number))
      turn(work, 2 * d, 2 * a, 32)
      add(work, 2 * c, 2 * d)
      turn(work, 2 * b, 2 * c, 24)
      add(work, 2 * a, 2 * b, message, 2 * (order[2 * index + 1] as number))
      turn(work, 2 * d, 2 * a, 16)
      add(work, 2 * c, 2 * d)
      turn(work, 2 * b, 2 * c, 63)
    }
  }
  for (let at = 0; at < 16; at++) state[at] = half(state, at) ^ half(work, at) ^ half(work, at + 16)
}

/** Adds word `b`, and one of the message where there is one, to word `a`. */
function add(work: Uint32Array, a: number, b: number, message: Uint32Array = NOTHING, at = 0): void {
  const low = half(work, a) + half(work, b) + half(message, at)
  const carry = Math.floor(low / 2 ** 32)
  work[a] = low
  work[a + 1] = half(work, a + 1) + half(work, b + 1) + half(message, at + 1) + carry
}

/** Combines word `a` with word `b` and rotates it to the right. */
function turn(work: Uint32Array, a: number, b: number, bits: 16 | 24 | 32 | 63): void {
  const low = half(work, a) ^ half(work, b)
  const high = half(work, a + 1) ^ half(work, b + 1)
  if (bits === 32) {
    work[a] = high
    work[a + 1] = low
  } else if (bits === 63) {
    work[a] = (low << 1) | (high >>> 31)
    work[a + 1] = (high << 1) | (low >>> 31)
  } else {
    work[a] = (low >>> bits) | (high << (32 - bits))
    work[a + 1] = (high >>> bits) | (low << (32 - bits))
  }
}

const NOTHING = new Uint32Array(2)

function half(halves: Uint32Array, at: number): number {
  return halves[at] as number
}
