import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import process from 'node:process'
import { userNumber } from '../machine/current_user.ts'
import type { Host } from './search_path.ts'

/** The computer this runs on. */
export const realHost: Host = {
  env: process.env,
  platform: process.platform,
  isGuarded: 'deno' in process.versions,
  canRun: async path => {
    try {
      const found = await stat(path)
      if (!found.isFile()) return false
      // Deno's access() asks who runs; where that is forbidden it fails in a way that cannot be caught.
      if (process.platform !== 'win32' && userNumber() === undefined) return (found.mode & 0o111) !== 0
      await access(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  },
}
