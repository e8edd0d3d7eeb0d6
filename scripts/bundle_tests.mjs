// JavaScript from test files and the sources that they reach, for Node.js to run.
//
// Node 20 needs a second thread to take the types out of sources as they are loaded (scripts/typescript.mjs), and
// loads them one by one, which is a third of the time that most test files take.
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = join(root, '.build', 'tests')

/** Milliseconds after which nobody runs any more what was made. */
const OLD = 24 * 3600 * 1000

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

/** Node.js reads the maps of all that it loads; of what packages are made of, no one asks. */
const withoutMaps = {
  name: 'without maps',
  setup({ onLoad }) {
    onLoad({ filter: /node_modules.*\.m?js$/ }, async ({ path }) => {
      const map = Buffer.from(JSON.stringify({ version: 3, sources: [''], mappings: 'A' })).toString('base64')
      const text = await readFile(path, 'utf8')
      return {
        loader: 'js',
        contents: `${text}\n//# sourceMappingURL=data:application/json;base64,${map}`,
      }
    })
  },
}

/** What tap's own packages, some of which are CommonJS, miss in a module. */
const REQUIRE =
  "import { createRequire as createRequireOfTest } from 'node:module'\n" +
  'const require = createRequireOfTest(import.meta.url)'

/** All but tap, of whose 200 files most test files would load for longer than they take. */
async function packagesBesidesTap() {
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(
    await readFile(join(root, 'package.json'), 'utf8'),
  )
  const names = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies })
  return names.filter(name => name !== 'tap')
}

/** Where what is made of a test file stands. */
export function bundledTest(file) {
  return join(folder, relative(root, file).replace(/\.ts$/, '.mjs'))
}

/**
 * Makes test files into such that Node.js runs as they are; what several of them reach is made once.
 *
 * @param {readonly string[]} files Their paths.
 * @throws What esbuild says of a source that it cannot read.
 */
export async function bundleTests(files) {
  await removeOld()
  const { build } = await import('esbuild')
  await build({
    entryPoints: [...files],
    outdir: folder,
    outbase: root,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    chunkNames: 'shared/[hash]',
    external: await packagesBesidesTap(),
    banner: { js: REQUIRE },
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'inline',
    sourcesContent: false,
    logLevel: 'silent',
    absWorkingDir: root,
    plugins: [ownPlace, withoutMaps],
  })
}

/** Another run may still need what is not so old. */
async function removeOld() {
  const shared = join(folder, 'shared')
  await mkdir(shared, { recursive: true })
  for (const name of await readdir(shared)) {
    const { mtimeMs } = await stat(join(shared, name))
    if (Date.now() - mtimeMs > OLD) await rm(join(shared, name), { force: true })
  }
}
