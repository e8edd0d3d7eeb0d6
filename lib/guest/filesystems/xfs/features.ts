import { GuestProblem } from '../../file_system.ts'
import { SB } from './layout.ts'

/** A word of feature bits, and what is known of it. A bit that is neither known nor refused is refused as unknown. */
interface FeatureWord {
  readonly name: string
  /** Bits with which free space is read as without them. */
  readonly known: number
  /** Names of bits that are refused, for messages. */
  readonly refused: Readonly<Record<number, string>>
}

/** sb_versionnum without its lowest four bits; all but SHAREDBIT changes nothing about free space. */
const VERSION_WORD: FeatureWord = { name: 'versionnum', known: 0xfdf0, refused: { 512: 'SHAREDBIT' } }

/** LAZYSBCOUNT, ATTR2, PROJID32, CRC, FTYPE. */
const FEATURES2: FeatureWord = { name: 'features2', known: 0x38a, refused: { 16: 'PARENTBIT' } }

/** sb_versionnum: features2 is used. */
const MOREBITS = 0x8000

/** features2: agf_btreeblks is kept, and sb_fdblocks is written on unmount. */
const LAZYSBCOUNT = 0x2

/** Bits of version 5. compat: none is defined. */
const COMPAT: FeatureWord = { name: 'compat', known: 0, refused: {} }

/** FINOBT, RMAPBT, REFLINK, INOBTCNT: more trees, whose blocks the tree of free space calls used. */
const RO_COMPAT: FeatureWord = { name: 'ro_compat', known: 0xf, refused: {} }

/** FTYPE, SPINODES, META_UUID, BIGTIME, NREXT64, EXCHRANGE, PARENT. */
const INCOMPAT: FeatureWord = {
  name: 'incompat',
  known: 0xef,
  refused: { 256: 'METADIR', 512: 'ZONED', 1024: 'ZONE_GAPS' },
}

/** What is set here says that the log may hold what an older kernel cannot replay. */
const LOG_INCOMPAT: FeatureWord = { name: 'log_incompat', known: 0, refused: { 1: 'LOG_XATTRS' } }

const NEEDSREPAIR = 0x10

/**
 * Checks what the superblock says about features.
 *
 * @param head The first 512 bytes of the superblock.
 * @throws {GuestProblem} Naming every bit that is not understood.
 */
export function checkFeatures(head: DataView, version: number): void {
  if (head.getUint8(SB.sb_inprogress) !== 0) {
    throw new GuestProblem({ code: 'damaged', found: 'it was never made to the end (sb_inprogress)' })
  }
  const versionnum = head.getUint16(SB.sb_versionnum)
  const features2 = head.getUint32(SB.sb_features2) + extraBits(head)
  const bits = [
    ...strangeBits(VERSION_WORD, versionnum - (versionnum % 16)),
    ...strangeBits(FEATURES2, features2),
  ]
  if (version === 5) {
    const incompat = head.getUint32(SB.sb_features_incompat)
    if (has(incompat, NEEDSREPAIR)) {
      throw new GuestProblem({ code: 'damaged', found: 'it has to be repaired (NEEDSREPAIR)' })
    }
    bits.push(...strangeBits(COMPAT, head.getUint32(SB.sb_features_compat)))
    bits.push(...strangeBits(RO_COMPAT, head.getUint32(SB.sb_features_ro_compat)))
    bits.push(...strangeBits(INCOMPAT, incompat))
    bits.push(...strangeBits(LOG_INCOMPAT, head.getUint32(SB.sb_features_log_incompat)))
  }
  if (bits.length > 0) {
    throw new GuestProblem({ code: 'unsupported_feature', found: `it has the features ${bits.join(', ')}` })
  }
  if (head.getBigUint64(SB.sb_rblocks) !== 0n) {
    throw new GuestProblem({ code: 'multiple_devices', found: 'it has a realtime device (sb_rblocks)' })
  }
  if (!has(versionnum, MOREBITS) || !has(features2, LAZYSBCOUNT)) {
    throw new GuestProblem({
      code: 'unsupported_feature',
      found: 'its groups do not count the blocks of their trees (no LAZYSBCOUNT)',
    })
  }
}

/** Bits of sb_bad_features2 that sb_features2 lacks; kernels take both together. */
function extraBits(head: DataView): number {
  const features2 = head.getUint32(SB.sb_features2)
  return bitsOf(head.getUint32(SB.sb_bad_features2))
    .filter(bit => !has(features2, bit))
    .reduce((sum, bit) => sum + bit, 0)
}

function strangeBits({ name, known, refused }: FeatureWord, word: number): string[] {
  const strange = bitsOf(word).filter(bit => !has(known, bit))
  return strange.map(bit => `${refused[bit] ?? 'unknown'} (${name} 0x${bit.toString(16)})`)
}

function bitsOf(word: number): number[] {
  return Array.from({ length: 32 }, (_, bit) => 2 ** bit).filter(bit => has(word, bit))
}

function has(word: number, bit: number): boolean {
  return Math.floor(word / bit) % 2 === 1
}
