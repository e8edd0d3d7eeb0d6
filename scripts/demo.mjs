// npm run demo: shows vboxmerge at work on a machine that is made for the purpose and removed again.
// Needs neither VirtualBox nor an installed vboxmerge; everything shown is what the command line prints.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { ensureInstalled } from './ensure_installed.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))

ensureInstalled()
const build = spawnSync(process.execPath, [join(root, 'scripts/build.mjs')], { stdio: ['ignore', 2, 2] })
if (build.status !== 0) process.exit(build.status ?? 1)

// Both need what was installed just now.
const { makeDemoMachine } = await import('./demo/make_machine.mjs')
const { tell } = await import('./demo/tell.mjs')

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'vboxmerge-demo-')))
const stop = new AbortController()
process.stdout.on('error', error => {
  // A reader that went away (| head) has seen enough.
  if (error.code !== 'EPIPE') throw error
  stop.abort()
})
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(name, () => {
    process.exitCode = 128 + constants.signals[name]
    stop.abort()
  })
}

try {
  const machines = join(folder, 'machines')
  const program = join(root, 'dist/cli.js')
  const home = join(folder, 'no-virtualbox')
  mkdirSync(machines)
  await makeDemoMachine(root, folder, join(machines, 'demo'))
  await tell({ program, machines, home, signal: stop.signal })
} catch (error) {
  if (!stop.signal.aborted) {
    console.error(`The demo failed: ${error.message}`)
    process.exitCode = 1
  }
} finally {
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
}
