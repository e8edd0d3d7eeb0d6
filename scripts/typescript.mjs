// Lets Node 20 run the TypeScript sources as they are: node --import ./scripts/typescript.mjs FILE.ts
//
// Types are taken out by esbuild, nothing is checked. Results are kept in node_modules/.cache under the
// hash of the source, so that only a changed file costs anything. (Node 22.18 and later, and Deno, do all
// this themselves.)
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { register } from 'node:module'
import { fileURLToPath } from 'node:url'

const cache = fileURLToPath(new URL('../node_modules/.cache/vboxmerge-typescript', import.meta.url))
const options = {
  loader: 'ts',
  format: 'esm',
  target: 'node20',
  sourcemap: 'inline',
  tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true, useDefineForClassFields: true } },
}

async function compile(path) {
  const text = await readFile(path, 'utf8')
  const key = createHash('sha256').update(JSON.stringify(options)).update(path).update('\0').update(text)
  const kept = `${cache}/${key.digest('hex')}.js`
  try {
    return await readFile(kept, 'utf8')
  } catch {
    const { transform } = await import('esbuild')
    const { code } = await transform(text, { ...options, sourcefile: path })
    await mkdir(cache, { recursive: true })
    const mine = `${kept}.${process.pid}`
    await writeFile(mine, code)
    await rename(mine, kept)
    return code
  }
}

export async function load(url, context, nextLoad) {
  const { protocol, pathname } = new URL(url)
  const ours = protocol === 'file:' && pathname.endsWith('.ts') && !pathname.includes('/node_modules/')
  if (!ours) return nextLoad(url, context)
  const path = fileURLToPath(new URL(pathname, 'file:'))
  return { format: 'module', shortCircuit: true, source: await compile(path) }
}

// Node loads this file a second time, by the address below, in the thread where hooks run.
const hookUrl = new URL('?hook', import.meta.url).href
if (import.meta.url !== hookUrl) register(hookUrl)
