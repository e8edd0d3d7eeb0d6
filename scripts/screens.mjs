// node scripts/screens.mjs [FOLDER]: writes what a new user sees on a terminal of 80 columns, a file for each command,
// to docs/screens or to another folder. Needs dist/ (npm run build). A test compares both.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { makeMachines } from './screens/make_machines.mjs'
import { takeScreens } from './screens/take_screens.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const target = process.argv[2] ?? join(root, 'docs/screens')
// Of the same length as the folder that is shown instead of it, so that lines break in the same places.
const folder = mkdtempSync('/tmp/vboxmerge-screen-')

try {
  mkdirSync(target, { recursive: true })
  const { known } = await makeMachines(root, folder, join(folder, 'VMs'))
  const screens = takeScreens({ program: join(root, 'dist/cli.js'), folder, known })
  for (const [name, text] of screens) writeFileSync(join(target, name), text)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
