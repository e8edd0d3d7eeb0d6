import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import process from 'node:process'

/** As much of koffi as is needed here. */
export interface Koffi {
  load(path: null): { func(prototype: string): NativeFunction }
}

/** A function of the system's library. */
export interface NativeFunction {
  (...args: unknown[]): unknown
  async(...args: unknown[]): void
}

/** As much of Deno as is needed here. */
interface DenoPermissions {
  readonly permissions: { querySync(descriptor: { readonly name: string }): { readonly state: string } }
}

/**
 * Loads the optional package koffi; undefined where it is not there, or must not be loaded.
 *
 * A single-file module has no packages beside it, and takes those that `npm install --global` has put in place.
 */
export function loadKoffi(): Koffi | undefined {
  if (!isAllowed()) return undefined
  try {
    // Neither imported nor required by that name, so that bundlers and registries do not take it for a package that
    // has to be there.
    const load = createRequire(import.meta.url)
    try {
      return load('koffi') as Koffi
    } catch {
      return load(load.resolve('koffi', { paths: globalFolders() })) as Koffi
    }
  } catch {
    return undefined
  }
}

/** Deno would ask at the terminal for what nobody has to allow. */
function isAllowed(): boolean {
  const deno: unknown = Reflect.get(globalThis, 'Deno')
  if (deno === undefined) return true
  const { permissions } = deno as DenoPermissions
  return ['ffi', 'read'].every(name => permissions.querySync({ name }).state === 'granted')
}

/** Where npm puts global packages on Linux: beside this Node.js, or where distributions set it to. */
function globalFolders(): string[] {
  return [join(dirname(dirname(process.execPath)), 'lib'), '/usr/local/lib']
}
