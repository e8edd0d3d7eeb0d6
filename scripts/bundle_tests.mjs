// JavaScript from test files and the sources that they reach, for Node.js to run.
//
// Node 20 needs a second thread to take the types out of sources as they are loaded (scripts/typescript.mjs), and
// loads them one by one, which is a third of the time that most test files take.
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
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

/** Where tap stands in one file: a folder whose name tap knows as its own, and leaves out of stacks. */
const tapFile = join(folder, 'node_modules', '@tapjs', 'tap.mjs')

const oneFileOfTap = {
  name: 'one file of tap',
  setup({ onResolve }) {
    onResolve({ filter: /^tap$/ }, () => ({ path: pathToFileURL(tapFile).href, external: true }))
  },
}

/** What tap's own packages, some of which are CommonJS, miss in a module. */
const REQUIRE =
  "import { createRequire as createRequireOfTap } from 'node:module'\n" +
  'const require = createRequireOfTap(import.meta.url)'

async function packages() {
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(
    await readFile(join(root, 'package.json'), 'utf8'),
  )
  return Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies })
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
  await bundleTap(build)
  await build({
    entryPoints: [...files],
    outdir: folder,
    outbase: root,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    chunkNames: 'shared/[hash]',
    external: await packages(),
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'inline',
    sourcesContent: false,
    logLevel: 'silent',
    absWorkingDir: root,
    plugins: [oneFileOfTap, ownPlace],
  })
}

/**
 * Puts tap, of whose 200 files most test files would load for longer than they take, into one.
 *
 * It is small and has no map, both of which Node.js would read in each test file.
 */
async function bundleTap(build) {
  // Written beside and moved, because another run may be loading it.
  const part = `${tapFile}.${process.pid}`
  await build({
    entryPoints: [fileURLToPath(import.meta.resolve('tap'))],
    outfile: part,
    bundle: true,
    minify: true,
    keepNames: true,
    banner: { js: REQUIRE },
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'silent',
    absWorkingDir: root,
  })
  await rename(part, tapFile)
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
