// Programs and documents in pages: types are checked, Ansible runs the plays, JSON is JSON.
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { transform } from 'esbuild'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { realFiles } from '../../lib/io/real_files.ts'
import { runPlaybook, skipWithoutAnsible } from '../fixtures/ansible.ts'
import { makeMachine } from '../fixtures/machine_maker.ts'
import { quickFolder } from '../fixtures/quick_folder.ts'
import { readMachineNote, specOf } from './fixtures/machine_note.ts'
import { documentedPages, type Fence, noteOf, root } from './fixtures/pages.ts'

interface Snippet extends Fence {
  /** Page and line. */
  readonly where: string
}

const snippets: Snippet[] = documentedPages().flatMap(({ path, parts }) =>
  parts.filter(part => part.kind === 'fence').map(fence => ({ ...fence, where: `${path}:${fence.line}` })),
)

const programs = [...ofLanguage('ts'), ...ofLanguage('js')]

t.test('JSON in pages is JSON', async t => {
  const documents = ofLanguage('json')
  t.ok(documents.length > 0)
  for (const { text, where } of documents) t.doesNotThrow(() => JSON.parse(text), where)
})

t.test('programs in pages can be read', async t => {
  for (const { text, language, where } of programs) {
    await t.resolves(transform(text, { loader: language === 'ts' ? 'ts' : 'js', format: 'esm' }), where)
  }
})

// Both take as long as all other tests of pages together; .ci/run asks for them.
if (process.env.DOCS_ALL === '1') {
  t.test('programs in pages use the library as it is', async t => {
    const folder = await quickFolder(t)
    await mkdir(join(folder, 'node_modules'))
    for (const name of ['zx', '@types'])
      await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name))
    await symlink(root, join(folder, 'node_modules/vboxmerge'))
    await writeFile(join(folder, 'package.json'), '{"type": "module"}')
    // A checkout beside the program; the sources themselves need no check here.
    await mkdir(join(folder, 'vboxmerge'))
    await writeFile(join(folder, 'vboxmerge/mod.ts'), "export * from 'vboxmerge'\n")
    const files = new Map<string, string>()
    t.ok(programs.length > 3)
    for (const [at, snippet] of programs.entries()) {
      const path = join(folder, `${at}.${snippet.language === 'ts' ? 'ts' : 'mjs'}`)
      await writeFile(path, programOf(snippet))
      files.set(path, snippet.where)
    }
    const problems = await typeProblems([...files.keys()])
    t.same(
      problems.map(({ path, message }) => `${files.get(path) ?? path}: ${message}`),
      [],
    )
  })

  t.test('tasks and plays of pages work', { skip: skipWithoutAnsible }, async t => {
    const home = await quickFolder(t)
    await makeMachine(realFiles, join(home, 'web'), specOf(readMachineNote('web; 2 snapshots')))
    const plays = ofLanguage('yaml').flatMap(({ text, where }) => {
      const items: Record<string, unknown>[] = parse(text)
      const isPlay = items.some(item => 'hosts' in item)
      return isPlay
        ? items.map(item => ({ ...item, hosts: 'localhost' }))
        : [{ name: where, hosts: 'localhost', gather_facts: false, tasks: items }]
    })
    t.ok(plays.length > 0)
    // The machine "web" is looked for in the folder of the playbook, where modules run.
    const playbook = join(home, 'pages.yml')
    await writeFile(playbook, stringify(plays))
    const env = { ANSIBLE_COLLECTIONS_PATH: join(root, 'collections') }
    const { status, stdout, recap } = await runPlaybook(playbook, { home, cwd: home, env }, { localhost: {} })
    t.equal(status, 0, stdout)
    t.match(recap, { localhost: { changed: 1, failed: 0, unreachable: 0 } })
  })
}

function ofLanguage(language: string): Snippet[] {
  return snippets.filter(snippet => snippet.language === language)
}

/** A program may lean on what the text around it says; a comment gives that as code. */
function programOf(snippet: Snippet): string {
  return `${noteOf(snippet, 'before') ?? ''}\n${snippet.text.replace(/^#!.*/, '')}\nexport {}\n`
}

async function typeProblems(
  paths: readonly string[],
): Promise<{ readonly path: string; readonly message: string }[]> {
  const { default: ts } = await import('typescript')
  const program = ts.createProgram(paths, {
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2023.d.ts'],
    types: ['node'],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    allowImportingTsExtensions: true,
    allowJs: true,
    checkJs: true,
    noEmit: true,
    strict: true,
    skipLibCheck: true,
  })
  return ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => ({
    path: file?.fileName ?? '',
    message: ts.flattenDiagnosticMessageText(messageText, '\n'),
  }))
}
