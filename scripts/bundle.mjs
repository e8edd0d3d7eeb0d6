import { chmodSync } from 'node:fs'
import { build } from 'esbuild'
import { groupModules } from './group_modules.mjs'

const ENTRIES = { cli: 'lib/face/cli/main.ts', mod: 'mod.ts' }

/** What nearly every run of the command line loads after it has read its arguments. */
const LOADED_LATER = 'lib/face/cli/real_operations.ts'

/**
 * Writes cli.js and mod.js to a folder, with what both share, and what only some runs need, in files beside them.
 * Loading some hundred small modules would take longer than most runs that find nothing to do.
 */
export async function bundle(root, dist) {
  const common = {
    absWorkingDir: root,
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    // Only Deno runs mod.ts as a program; a bundle of somebody else's must not hold the command line.
    define: { 'import.meta.main': 'false' },
    // Readable as it is: traces name functions, and comments the files that they come from.
    minify: false,
    charset: 'utf8',
    logLevel: 'warning',
  }
  const groups = await groupModules(root, common, [...Object.values(ENTRIES), LOADED_LATER])
  await build({
    ...common,
    entryPoints: { ...ENTRIES, ...groups.entryPoints },
    plugins: [groups.plugin],
    outdir: dist,
    splitting: true,
    chunkNames: '[name]-[hash]',
  })
  chmodSync(`${dist}/cli.js`, 0o755)
}
