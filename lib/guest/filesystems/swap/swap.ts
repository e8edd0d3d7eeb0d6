// Linux swap: include/linux/swap.h (union swap_header), mm/swapfile.c, kernel/power/swap.c (hibernation)
import type { BlockDevice } from '../../device.ts'
import { type FileSystem, type Format, type KeepReason, keptFileSystem } from '../../file_system.ts'
import { hasText, viewOf } from '../../numbers.ts'

/** Of x86 and ARM, of MIPS, PowerPC and others. The header takes one page of the machine that made it. */
const PAGE_SIZES: readonly number[] = [4096, 8192, 16384, 32768, 65536]

/** In the last ten bytes of the first page. */
const VERSION_1 = 'SWAPSPACE2'
const VERSION_0 = 'SWAP-SPACE'
const VERSIONS: readonly string[] = [VERSION_1, VERSION_0]
const SLEEPING: readonly string[] = ['S1SUSPEND', 'S2SUSPEND', 'ULSUSPEND', 'LINHIB0001']
const TUX_ON_ICE: readonly number[] = [0xed, 0xc3, 0x02, 0xe9, 0x98, 0x56, 0xe5, 0x0c]

/** Swap space. On a machine that is off nothing of it is needed but its first page, unless the guest sleeps in it. */
export const swap: Format = {
  kind: 'swap',
  probe: async device => {
    const head = new Uint8Array(Math.min(device.size, 65536))
    await device.read(head, 0)
    if (TUX_ON_ICE.every((byte, index) => head[index] === byte)) {
      return kept(device, asleep('it holds an image of a guest that sleeps (TuxOnIce)'))
    }
    const mark = SLEEPING.find(text => PAGE_SIZES.some(pageSize => hasText(head, pageSize - 10, text)))
    if (mark) return kept(device, asleep(`it holds an image of a guest that sleeps (${mark})`))
    const sizes = PAGE_SIZES.filter(size => VERSIONS.some(text => hasText(head, size - 10, text)))
    const [pageSize] = sizes
    if (pageSize === undefined) return undefined
    if (sizes.length > 1) {
      return kept(device, {
        code: 'ambiguous',
        found: `it has headers for pages of ${sizes.join(' and ')} bytes`,
      })
    }
    if (hasText(head, pageSize - 10, VERSION_0)) {
      return kept(device, { code: 'unsupported_feature', found: 'it has a header of version 0' })
    }
    return readHeader(device, head, pageSize)
  },
}

function readHeader(device: BlockDevice, head: Uint8Array, pageSize: number): FileSystem {
  const view = viewOf(head)
  const version = view.getUint32(1024, true)
  const pages = view.getUint32(1028, true) + 1
  const size = pages * pageSize
  if (version !== 1) {
    return kept(device, { code: 'unsupported_feature', found: `it has a header of version ${version}` })
  }
  if (pages < 2 || size > device.size) {
    return kept(device, { code: 'damaged', found: `it says that it has ${size} of ${device.size} bytes` })
  }
  return {
    kind: swap.kind,
    label: labelOf(head.subarray(1052, 1068)),
    size,
    freeBytes: size - pageSize,
    keep: undefined,
    freeRanges: async (found, signal) => {
      signal?.throwIfAborted()
      found(pageSize, size - pageSize)
    },
  }
}

function labelOf(bytes: Uint8Array): string | undefined {
  const end = bytes.indexOf(0)
  const label = new TextDecoder().decode(bytes.subarray(0, end < 0 ? bytes.length : end))
  return label === '' ? undefined : label
}

function asleep(found: string): KeepReason {
  return { code: 'hibernated', found, wholeDisk: true }
}

function kept(device: BlockDevice, reason: KeepReason): FileSystem {
  return keptFileSystem({ kind: swap.kind, size: device.size }, reason)
}
