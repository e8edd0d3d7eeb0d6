// One file of JavaScript from a test file and the sources that it reaches, for Node.js to run.
//
// Node 20 needs a second thread to take the types out of sources as they are loaded (scripts/typescript.mjs), and
// loads them one by one, which is a third of the time that most test files take.
import { readFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = join(root, '.build', 'tests')

/** Lets each source know its own place, though it runs from another. */
const ownPlace = {
  name: 'own place',
  setup({ onLoad, esbuild }) {
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8')
      if (!text.includes('import.meta.')) return undefined
      const define = {
        'import.meta.url': JSON.stringify(pathToFileURL(path).href),
        'import.meta.dirname': JSON.stringify(dirname(path)),
      }
      const { code } = await esbuild.transform(text, {
        loader: 'ts',
        target: 'esnext',
        define,
        sourcefile: path,
        sourcemap: 'inline',
      })
      return { loader: 'js', contents: code }
    })
  },
}

/**
 * Makes a test file into one that Node.js runs as it is.
 *
 * @param {string} file Its path.
 * @returns {Promise<string>} The path of what was made. Rejects when a source cannot be read as TypeScript.
 */
export async function bundleTest(file) {
  const outfile = join(folder, relative(root, file).replace(/\.ts$/, '.mjs'))
  const { build } = await import('esbuild')
  await build({
    entryPoints: [file],
    outfile,
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'inline',
    sourcesContent: false,
    logLevel: 'silent',
    absWorkingDir: root,
    plugins: [ownPlace],
  })
  return outfile
}
