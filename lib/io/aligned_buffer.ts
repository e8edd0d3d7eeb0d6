declare const WebAssembly: {
  readonly Memory: new (size: { readonly initial: number }) => { readonly buffer: ArrayBuffer }
}

/** What the memory, the place in a file and the length of a direct transfer are multiples of, in bytes. */
export const ALIGNMENT: number = 4096

const WASM_PAGE_BYTES = 64 * 1024

const alignedMemory = new WeakSet<ArrayBufferLike>()

/** Buffers that nobody uses at the moment: each takes much of the address space until it is collected. */
const spare: Uint8Array[] = []

/**
 * Lends a buffer that begins at a page of memory where the runtime can give one, so that the system can
 * write it to a disk as it is. JavaScript has no other way to such memory than that of WebAssembly.
 * What it holds at first is not defined.
 */
export async function withAlignedBuffer<T>(
  bytes: number,
  use: (buffer: Uint8Array) => Promise<T>,
): Promise<T> {
  const at = spare.findIndex(({ length }) => length >= bytes)
  const buffer = spare.splice(at, at < 0 ? 0 : 1)[0] ?? alignedBuffer(bytes)
  try {
    return await use(buffer.subarray(0, bytes))
  } finally {
    spare.push(buffer)
  }
}

function alignedBuffer(bytes: number): Uint8Array {
  try {
    const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / WASM_PAGE_BYTES) }).buffer
    alignedMemory.add(memory)
    return new Uint8Array(memory, 0, bytes)
  } catch {
    // The address space may be limited.
    return new Uint8Array(bytes)
  }
}

/** Tells whether a buffer begins at a multiple of `ALIGNMENT` in memory and has such a length. */
export function isAligned(buffer: Uint8Array): boolean {
  return (
    alignedMemory.has(buffer.buffer) && buffer.byteOffset % ALIGNMENT === 0 && buffer.length % ALIGNMENT === 0
  )
}
