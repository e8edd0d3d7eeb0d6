import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import process from 'node:process'
import type { Host } from './search_path.ts'

/** The computer this runs on. */
export const realHost: Host = {
  env: process.env,
  platform: process.platform,
  canRun: async path => {
    try {
      if (!(await stat(path)).isFile()) return false
      await access(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  },
}
