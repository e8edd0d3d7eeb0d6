import { createRequire } from 'node:module'
import process from 'node:process'

/** As much of koffi as is needed here. */
interface Koffi {
  load(path: null): Library
}

/** The functions of a library of the system, declared in C. */
export interface Library {
  func(prototype: string): SystemCall
}

/** A function of the system; `async` calls it in another thread and hands its result to the last argument. */
export interface SystemCall {
  (...args: unknown[]): number
  async(...args: unknown[]): void
}

let loaded: { readonly library: Library | undefined } | undefined

/**
 * Returns the system's own calls for open files, or undefined where they cannot be reached: on other systems than
 * Linux, outside of Node.js, without the optional package koffi.
 */
export function systemLibrary(): Library | undefined {
  // Elsewhere the number of an open file is the runtime's own.
  const isNode = !('deno' in process.versions)
  if (process.platform !== 'linux' || !isNode) return undefined
  loaded ??= { library: load() }
  return loaded.library
}

function load(): Library | undefined {
  try {
    // Not imported, so that bundlers and registries do not take it for a package that has to be there.
    return (createRequire(import.meta.url)('koffi') as Koffi).load(null)
  } catch {
    return undefined
  }
}
