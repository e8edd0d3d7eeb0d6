import t from 'tap'
import { xxhash64 } from '../../../lib/guest/checksums/xxhash64.ts'

/** Sanity checks of the reference implementation, and values that are published with other ones; seed 0. */
const PUBLISHED: readonly (readonly [string, bigint])[] = [
  ['', 0xef46db3751d8e999n],
  ['a', 0xd24ec4f1a98c6e5bn],
  ['as', 0x1c330fb2d66be179n],
  ['asd', 0x631c37ce72a97393n],
  ['asdf', 0x415872f599cea71en],
  ['abc', 0x44bc2cf5ad770999n],
  ['Call me Ishmael. Some years ago--never mind how long precisely-', 0x02a2e85470d6fd96n],
]

t.test('xxhash64() gives the published values', async t => {
  for (const [text, hash] of PUBLISHED) t.equal(xxhash64(new TextEncoder().encode(text)), hash, `"${text}"`)
})

t.test('xxhash64() gives the values of the sanity checks of its inventor', async t => {
  const PRIME_32 = 2654435761n
  const bytes = new Uint8Array(222)
  let generator = PRIME_32
  for (let at = 0; at < bytes.length; at++) {
    bytes[at] = Number(generator >> 56n)
    generator = BigInt.asUintN(64, generator * 11400714785074694797n)
  }
  const expected: readonly (readonly [number, bigint])[] = [
    [0, 0xef46db3751d8e999n],
    [1, 0xe934a84adb052768n],
    [4, 0x9136a0dca57457een],
    [14, 0x8282dcc4994e35c8n],
    [222, 0xb641ae8cb691c174n],
  ]
  for (const [length, hash] of expected) t.equal(xxhash64(bytes.subarray(0, length)), hash, `${length} bytes`)
})
