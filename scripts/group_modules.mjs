// Puts modules that are always loaded together into one file. Left to itself, a bundler makes a file for every set of
// modules that some of twenty entry points have in common, and a run loads forty of them, of which each takes its time.
import { relative, resolve } from 'node:path'
import { build } from 'esbuild'

/**
 * Groups the modules that some entry points load at once, by which of them do.
 *
 * @param root Folder of the project.
 * @param options Of esbuild, for finding out what imports what.
 * @param entries Paths relative to `root`. They themselves are put into no group, unless another one imports them.
 * @returns Entry points for the groups, and a plugin by which the others import from there what is in a group.
 */
export async function groupModules(root, options, entries) {
  const entryPoints = entries.map(entry => `./${entry}`)
  const { metafile } = await build({ ...options, entryPoints, outdir: '.', write: false, metafile: true })
  const reached = entries.map(entry => reachable(metafile.inputs, entry))
  const groupOf = new Map()
  for (const path of Object.keys(metafile.inputs)) {
    const key = entries.flatMap((_, index) => (reached[index].has(path) ? [index] : [])).join('')
    const own = entries.indexOf(path)
    if (key !== '' && (own < 0 || key !== String(own))) groupOf.set(path, `shared-${key}`)
  }
  const exported = await exportsOf(root, [...groupOf.keys()])
  const names = [...new Set(groupOf.values())]
  return {
    entryPoints: Object.fromEntries(names.map(name => [name, `group:${name}`])),
    plugin: groupingPlugin(root, groupOf, exported),
  }
}

/** Everything that is loaded along with a module. */
function reachable(inputs, entry) {
  const found = new Set([entry])
  for (const path of found) {
    for (const { path: next, kind, external } of inputs[path]?.imports ?? []) {
      if (kind === 'import-statement' && external !== true) found.add(next)
    }
  }
  return found
}

/** The names that each module exports, without those of types. */
async function exportsOf(root, paths) {
  const entryPoints = paths.map((path, index) => ({ in: resolve(root, path), out: String(index) }))
  const { metafile } = await build({ entryPoints, outdir: '.', format: 'esm', write: false, metafile: true })
  const byModule = new Map()
  for (const { entryPoint, exports } of Object.values(metafile.outputs)) {
    byModule.set(relative(root, resolve(entryPoint)), exports)
  }
  return byModule
}

function groupingPlugin(root, groupOf, exported) {
  const numbers = new Map([...groupOf.keys()].map((path, index) => [path, index]))
  const alias = (path, name) => `${name}_${numbers.get(path)}`
  const listed = (path, pair) =>
    (exported.get(path) ?? []).map(name => pair(name, alias(path, name))).join(', ')
  return {
    name: 'groups',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^group:/ }, ({ path }) => ({
        path: path.slice('group:'.length),
        namespace: 'group',
      }))
      onResolve({ filter: /^\.\/shared-\d+\.js$/, namespace: 'proxy' }, ({ path }) => ({
        path,
        external: true,
      }))
      onResolve({ filter: /^\.\.?\// }, ({ path, importer, resolveDir, namespace }) => {
        if (namespace !== 'file') return undefined
        const target = relative(root, resolve(resolveDir, path))
        const group = groupOf.get(target)
        if (group === undefined || group === groupOf.get(relative(root, importer))) return undefined
        // One for each importer: what several share would be a file of its own again.
        return {
          path: target,
          suffix: `?${relative(root, importer)}`,
          namespace: 'proxy',
          sideEffects: false,
        }
      })
      onLoad({ filter: /.*/, namespace: 'group' }, ({ path: name }) => {
        const own = [...groupOf].filter(([, group]) => group === name).map(([path]) => path)
        const lines = own.map(path => {
          const all = listed(path, (from, to) => `${from} as ${to}`)
          return `export { ${all} } from ${JSON.stringify(`./${path}`)}`
        })
        return { contents: lines.join('\n'), resolveDir: root, loader: 'js' }
      })
      onLoad({ filter: /.*/, namespace: 'proxy' }, ({ path }) => {
        const all = listed(path, (to, from) => `${from} as ${to}`)
        return {
          contents: `export { ${all} } from './${groupOf.get(path)}.js'`,
          resolveDir: root,
          loader: 'js',
        }
      })
    },
  }
}
