// Installs the dependencies with `npm ci` when node_modules is missing or does not fit package-lock.json.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

function packages(lockFile) {
  try {
    return JSON.parse(readFileSync(`${root}/${lockFile}`, 'utf8')).packages
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}

/** Compares what npm noted about its last run with what is wanted (dates lie after a checkout). */
function isInstalled() {
  const wanted = packages('package-lock.json')
  const installed = packages('node_modules/.package-lock.json')
  if (!wanted || !installed) return installed !== undefined
  return Object.entries(wanted).every(
    ([path, { version, optional }]) =>
      path === '' || installed[path]?.version === version || (optional && !installed[path]),
  )
}

/** Makes sure that node_modules fits package-lock.json; ends the process when npm fails. */
export function ensureInstalled() {
  if (isInstalled()) return
  console.error('installing the dependencies (npm ci)')
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  })
  if (npm.error) console.error(npm.error.message)
  if (npm.status !== 0) process.exit(npm.status || 1)
}
