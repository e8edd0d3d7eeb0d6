// Makes one self-contained file of each modules/*.ts in plugins/modules/, and its documentation beside it.
//
// Ansible copies a module to a host alone, and it looks at the file to see what kind it is:
//
// - WANT_JSON, anywhere, asks for the arguments as JSON in a file. Certain other words, even in a string, would
//   make it take the module for Python or PowerShell.
// - The first line is put before the path of the module. Ansible looks at its last part for the variable
//   `ansible_node_interpreter`; having no folder, it is found on PATH.
// - In the folder of a module, nothing else may share its name but the .yml, or that is run instead.
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'

const NOT_OURS = [
  '<<INCLUDE_ANSIBLE_MODULE_COMMON>>',
  '<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>',
  /^\s*(from|import)\s+ansible/m,
  /^#\s*Requires\s+-(Module|Version)/im,
  /^#AnsibleRequires/im,
]

/** Builds all modules. `root` is the folder of the project. */
export async function buildModules(root) {
  const { build } = await import('esbuild')
  const { describeModule, MODULES } = await loadDescriptions(root)
  const { version } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'))
  const folder = `${root}/plugins/modules`
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const sources = readdirSync(`${root}/modules`).filter(file => file.endsWith('.ts'))
  await build({
    absWorkingDir: root,
    entryPoints: sources.map(file => `modules/${file}`),
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    minify: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    plugins: [withoutPrograms],
    banner: {
      js: `#!node\n// WANT_JSON: a module for Ansible, made of vboxmerge ${version} (MIT) and valibot (MIT, Fabian Hiller).`,
    },
    logLevel: 'error',
  })
  for (const source of sources) {
    const name = basename(source, '.ts')
    if (!MODULES.some(module => module.name === name))
      throw new Error(`Cannot document ${name}: it is missing in lib/face/module/modules.ts`)
    checkKind(join(folder, `${name}.mjs`))
  }
  await writeDocumentation(folder, MODULES.map(describeModule))
}

/** The sources that describe modules, as a module of this process. */
async function loadDescriptions(root) {
  const { build } = await import('esbuild')
  const contents = `
    export { describeModule } from './lib/face/module/describe_module.ts'
    export { MODULES } from './lib/face/module/modules.ts'
  `
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    write: false,
  })
  return await import(
    `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`
  )
}

/**
 * What is loaded only where it is there, and would not be on a host: zx, without which `VBoxManage` is called without
 * a shell, and what is not written in JavaScript.
 */
const withoutPrograms = {
  name: 'without-programs',
  setup(build) {
    build.onResolve({ filter: /^(zx|koffi)(\/|$)/ }, ({ path }) => ({ path, namespace: 'absent' }))
    build.onLoad({ filter: /./, namespace: 'absent' }, ({ path }) => ({
      contents: `throw new Error("${path} is no part of a module"); export default undefined; export const $ = undefined`,
    }))
  },
}

function checkKind(path) {
  const text = readFileSync(path, 'utf8')
  const found = NOT_OURS.find(mark => (typeof mark === 'string' ? text.includes(mark) : mark.test(text)))
  if (found !== undefined)
    throw new Error(`Cannot ship ${path}: Ansible would misread it because of ${found}`)
  if (!/^#!node\n\/\/ WANT_JSON/.test(text))
    throw new Error(`Cannot ship ${path}: its first lines are not in place`)
  // What is called by way of an interpreter is not executable, says Ansible's own check.
  chmodSync(path, 0o644)
}

async function writeDocumentation(folder, modules) {
  const { stringify } = await import('yaml')
  for (const { name, documentation, examples, returns } of modules) {
    const text = stringify(
      { DOCUMENTATION: documentation, EXAMPLES: examples, RETURN: returns },
      { lineWidth: 100, defaultStringType: 'PLAIN', blockQuote: 'literal' },
    )
    writeFileSync(join(folder, `${name}.yml`), `---\n${text}`)
  }
}
