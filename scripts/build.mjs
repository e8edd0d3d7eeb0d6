// Makes dist/, what npm packs and what the tests of the command line run: declarations by tsc, code by esbuild. Makes
// the modules for Ansible, and the folder in which Ansible finds them in this checkout.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { buildModules } from './build_modules.mjs'
import { bundle } from './bundle.mjs'
import { copyDeclarations } from './declarations.mjs'
import { linkCollection } from './link_collection.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = `${root}/dist`

// What was made from a source that is gone must not be packed or imported.
rmSync(dist, { recursive: true, force: true })

const tsc = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
})
if (tsc.status === 0) {
  await bundle(root, dist)
  copyDeclarations(`${root}/.build/declarations`, dist)
  await buildModules(root)
  linkCollection(root)
}
process.exitCode = tsc.status ?? 1
