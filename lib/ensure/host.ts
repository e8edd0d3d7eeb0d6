import process from 'node:process'
import type { Files } from '../io/files.ts'
import { realFiles } from '../io/real_files.ts'
import type { ProcessFiles } from '../virtualbox/process_files.ts'
import { realHost as realComputer } from '../virtualbox/real_host.ts'
import type { Host as Computer } from '../virtualbox/search_path.ts'

/** The computer as operations see it; tests hand in another one. */
export interface EnsureHost {
  readonly files: Files
  readonly computer: Computer
  readonly cwd: () => string
  readonly now: () => Date
  /** Tells milliseconds of a clock that never goes back. Default: that of this computer. */
  readonly ticks?: () => number
  /** By which a run tells others how far it is; without it none does. */
  readonly statusFiles?: Files
  /** Who runs, to see who has an image open. Default: this computer. */
  readonly processes?: ProcessFiles
}

/** This computer. */
export const realEnsureHost: EnsureHost = {
  files: realFiles,
  computer: realComputer,
  cwd: () => process.cwd(),
  now: () => new Date(),
  statusFiles: realFiles,
}
