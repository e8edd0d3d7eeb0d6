import { GuestProblem } from '../../file_system.ts'
import { damaged } from '../windows/fields.ts'
import { DOUBTFUL_CLUSTERS, FAT16_CLUSTERS, FAT32_CLUSTERS, MAX_CLUSTERS, TYPE_NAMES } from './layout.ts'

/**
 * Returns how many bits an entry of the file allocation table has. The number of clusters decides; the
 * boot sector has to agree.
 *
 * @param isFat32 Whether the boot sector is divided as one of FAT32.
 * @param name The type that it names, where it names one.
 * @throws A GuestProblem where drivers could decide differently.
 */
export function entryBits(clusters: number, isFat32: boolean, name?: string): 12 | 16 | 32 {
  if (clusters > MAX_CLUSTERS) throw damaged(`it says ${clusters} clusters, more than FAT32 can number`)
  for (const limit of [FAT16_CLUSTERS, FAT32_CLUSTERS]) {
    if (Math.abs(clusters - limit) < DOUBTFUL_CLUSTERS) {
      throw ambiguous(
        `it has ${clusters} clusters, so near to ${limit} that drivers differ in its kind of FAT`,
      )
    }
  }
  const bits = clusters < FAT16_CLUSTERS ? 12 : clusters < FAT32_CLUSTERS ? 16 : 32
  const known: readonly string[] = Object.values(TYPE_NAMES)
  const isOther = name !== undefined && known.includes(name) && name !== TYPE_NAMES[bits]
  if (isFat32 === (bits === 32) && !isOther) return bits
  const said = isOther ? name.trim() : isFat32 ? 'FAT32' : 'FAT12 or FAT16'
  throw ambiguous(`its boot sector is one of ${said}, but it has the ${clusters} clusters of FAT${bits}`)
}

function ambiguous(found: string): GuestProblem {
  return new GuestProblem({ code: 'ambiguous', found })
}
