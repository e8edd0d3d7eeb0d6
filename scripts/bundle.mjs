import { chmodSync } from 'node:fs'
import { build } from 'esbuild'

/**
 * Writes cli.js and mod.js to a folder, with what both share, and what only some runs need, in files beside them.
 * Loading some hundred small modules would take longer than most runs that find nothing to do.
 */
export async function bundle(root, dist) {
  await build({
    absWorkingDir: root,
    entryPoints: { cli: 'lib/face/cli/main.ts', mod: 'mod.ts' },
    outdir: dist,
    bundle: true,
    splitting: true,
    chunkNames: '[name]-[hash]',
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
  })
  chmodSync(`${dist}/cli.js`, 0o755)
}
