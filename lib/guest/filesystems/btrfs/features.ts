import { unsupported } from './fields.ts'
import { SB } from './layout.ts'

/** A word of feature bits. */
interface FeatureWord {
  readonly name: string
  readonly at: number
  /** Bits with which free space is read as without them. */
  readonly known: readonly bigint[]
  /** Names of bits that are refused, for messages. */
  readonly refused: ReadonlyMap<bigint, string>
}

const WORDS: readonly FeatureWord[] = [
  { name: 'compat', at: SB.compat_flags, known: [], refused: new Map() },
  {
    // FREE_SPACE_TREE, FREE_SPACE_TREE_VALID, VERITY: more trees, whose blocks the extent tree has.
    name: 'compat_ro',
    at: SB.compat_ro_flags,
    known: [0x1n, 0x2n, 0x4n],
    refused: new Map([[0x8n, 'BLOCK_GROUP_TREE']]),
  },
  {
    // MIXED_BACKREF, DEFAULT_SUBVOL, MIXED_GROUPS, COMPRESS_LZO, COMPRESS_ZSTD, BIG_METADATA, EXTENDED_IREF,
    // SKINNY_METADATA, NO_HOLES, METADATA_UUID.
    name: 'incompat',
    at: SB.incompat_flags,
    known: [0x1n, 0x2n, 0x4n, 0x8n, 0x10n, 0x20n, 0x40n, 0x100n, 0x200n, 0x400n],
    refused: new Map([
      [0x80n, 'RAID56'],
      [0x800n, 'RAID1C34'],
      [0x1000n, 'ZONED'],
      [0x2000n, 'EXTENT_TREE_V2'],
      [0x4000n, 'RAID_STRIPE_TREE'],
      [0x10000n, 'SIMPLE_QUOTA'],
    ]),
  },
  {
    // WRITTEN.
    name: 'flags',
    at: SB.flags,
    known: [0x1n],
    refused: new Map([
      [0x4n, 'ERROR'],
      [2n ** 32n, 'SEEDING'],
      [2n ** 33n, 'METADUMP'],
      [2n ** 34n, 'METADUMP_V2'],
      [2n ** 35n, 'CHANGING_FSID'],
      [2n ** 36n, 'CHANGING_FSID_V2'],
      [2n ** 38n, 'CHANGING_BG_TREE'],
      [2n ** 39n, 'CHANGING_DATA_CSUM'],
      [2n ** 40n, 'CHANGING_META_CSUM'],
    ]),
  },
]

/** In incompat_flags: nodes carry metadata_uuid. */
export const METADATA_UUID = 0x400n

/**
 * Checks the features and flags of a superblock.
 *
 * @throws {GuestProblem} Naming every bit that is not understood.
 */
export function checkFeatures(superblock: DataView): void {
  const bits = WORDS.flatMap(word => strangeBits(word, superblock.getBigUint64(word.at, true)))
  if (bits.length > 0) throw unsupported(`it has the features ${bits.join(', ')}`)
}

function strangeBits({ name, known, refused }: FeatureWord, word: bigint): string[] {
  const bits = Array.from({ length: 64 }, (_, bit) => 2n ** BigInt(bit)).filter(bit => (word & bit) !== 0n)
  const strange = bits.filter(bit => !known.includes(bit))
  return strange.map(bit => `${refused.get(bit) ?? 'unknown'} (${name} 0x${bit.toString(16)})`)
}
