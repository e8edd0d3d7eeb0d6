import type { Surroundings } from '../cli/surroundings.ts'

/** Where a module reads its arguments from, when no file is named. */
export interface ModuleInput extends AsyncIterable<Uint8Array | string> {
  readonly isTTY?: boolean
}

/** All that a module reaches outside itself and its work. */
export interface ModuleSurroundings extends Pick<Surroundings, 'onStopSignal' | 'exitNow'> {
  /** What stands behind the module's own path. */
  readonly args: readonly string[]
  /** Standard input, which is not touched before it is needed. */
  readonly stdin: () => ModuleInput
  readonly readFile: (path: string) => AsyncIterable<Uint8Array | string>
  readonly write: (text: string) => unknown
  /** The user's own folder, which `~` stands for. */
  readonly home: () => string
  /** For example `20.20.2`. */
  readonly nodeVersion: string
}
