// Installs the dependencies with `npm ci` when they are missing or older than package-lock.json.
import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

function modifiedAt(path) {
  return statSync(`${root}/${path}`, { throwIfNoEntry: false })?.mtimeMs
}

/** Makes sure that node_modules fits package-lock.json; ends the process when npm fails. */
export function ensureInstalled() {
  const installed = modifiedAt('node_modules/.package-lock.json')
  if (installed !== undefined && installed >= (modifiedAt('package-lock.json') ?? 0)) return
  console.error('installing the dependencies (npm ci)')
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  })
  if (npm.error) console.error(npm.error.message)
  if (npm.status !== 0) process.exit(npm.status || 1)
}
