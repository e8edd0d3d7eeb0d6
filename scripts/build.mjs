// Compiles mod.ts and lib/ to dist/, what npm packs and what the tests of the command line run; makes the modules
// for Ansible of it, and the folder in which Ansible finds them in this checkout.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { buildModules } from './build_modules.mjs'
import { linkCollection } from './link_collection.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = `${root}/dist`

// What was compiled from a source that is gone must not be packed or imported.
if (existsSync(dist)) {
  for (const file of readdirSync(dist, { recursive: true })) {
    const source = String(file).replace(/(\.d\.ts|\.js)$/, '.ts')
    if (source !== file && !existsSync(`${root}/${source}`)) rmSync(`${dist}/${file}`)
  }
}

const tsc = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
})
for (const program of [`${dist}/lib/face/cli/main.js`]) {
  if (existsSync(program)) chmodSync(program, 0o755)
}
if (tsc.status === 0) {
  await buildModules(root)
  linkCollection(root)
}
process.exitCode = tsc.status ?? 1
