import { damaged } from '../windows/fields.ts'

/** Clusters of a file that lie one behind the other in the volume. */
export interface Run {
  readonly vcn: number
  /** Undefined for a hole, which reads as zeros. */
  readonly lcn: number | undefined
  readonly count: number
}

/** How many runs a file may have that is looked into: 25 MiB of memory, far more than Windows lets files have. */
export const MAX_RUNS: number = 2 ** 18

/**
 * Returns the runs of a run list ("mapping pairs").
 *
 * @param bytes From the first pair to the end of the attribute.
 * @param clusters Of the volume.
 * @param what Names the attribute in problems.
 * @throws A GuestProblem when the list does not end, when a run leaves the volume, or when the runs do not take
 *   up exactly the VCNs from `lowest` to `highest`.
 */
export function decodeRuns(
  bytes: Uint8Array,
  { lowest, highest }: { readonly lowest: number; readonly highest: number },
  clusters: number,
  what: string,
): Run[] {
  const runs: Run[] = []
  let vcn = lowest
  let lcn = 0
  let at = 0
  for (;;) {
    const header = bytes[at]
    if (header === undefined) throw damaged(`the run list of ${what} does not end`)
    if (header === 0) break
    const lengthSize = header % 16
    const offsetSize = (header - lengthSize) / 16
    const end = at + 1 + lengthSize + offsetSize
    if (lengthSize < 1 || lengthSize > 8 || offsetSize > 8 || end > bytes.length) {
      throw damaged(`the run list of ${what} has the header ${header} at its byte ${at}`)
    }
    const count = signed(bytes.subarray(at + 1, at + 1 + lengthSize))
    const isHole = offsetSize === 0
    if (!isHole) lcn += signed(bytes.subarray(at + 1 + lengthSize, end))
    const isInside = count >= 1 && (isHole || inVolume(lcn, count, clusters))
    if (!isInside || !Number.isSafeInteger(vcn + count)) {
      throw damaged(
        `${what} has a run of ${count} clusters from ${isHole ? 'a hole' : lcn} on, of ${clusters}`,
      )
    }
    runs.push({ vcn, lcn: isHole ? undefined : lcn, count })
    vcn += count
    at = end
  }
  if (vcn !== highest + 1) {
    throw damaged(`the run list of ${what} ends at VCN ${vcn}, not at ${highest + 1}`)
  }
  return runs
}

function inVolume(lcn: number, count: number, clusters: number): boolean {
  return lcn >= 0 && lcn + count <= clusters
}

/** A little-endian number in two's complement; one that no Number can hold exactly is of no volume either. */
function signed(bytes: Uint8Array): number {
  let value = 0n
  for (const byte of [...bytes].reverse()) value = value * 256n + BigInt(byte)
  return Number(BigInt.asIntN(8 * bytes.length, value))
}
