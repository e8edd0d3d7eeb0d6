// Commands that pages show without output, and the languages of blocks.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import t from 'tap'
import { runFake } from '../face/cli/fixtures/fake_surroundings.ts'
import { quickFolder } from '../fixtures/quick_folder.ts'
import { run } from '../fixtures/setup_programs.ts'
import { NOT_RUN } from './fixtures/not_run.ts'
import { documentedPages, type Fence, type Page, root } from './fixtures/pages.ts'
import { plainWords } from './fixtures/scene.ts'

/** What is done with the blocks of each language; `text` is for pictures and excerpts, which nothing can check. */
const LANGUAGES: Readonly<Record<string, string>> = {
  console: 'console.test.ts',
  sh: 'commands.test.ts',
  ts: 'snippets.test.ts',
  js: 'snippets.test.ts',
  yaml: 'snippets.test.ts',
  json: 'snippets.test.ts',
  text: '',
}

/** Comments that tests or scripts act on. Another one would be a slip of the pen. */
const NOTES = /^(machine|before|run|shows): .|^\/?(options|codes|warnings)$|^figures: /

const pages = documentedPages()
const used = new Set<string>()

t.test('every block has a language that is run or checked, and every comment a meaning', async t => {
  for (const { path, parts } of pages) {
    for (const part of parts) {
      const where = `${path}:${part.line}`
      if (part.kind === 'note') t.match(part.text, NOTES, where)
      else t.ok(part.language in LANGUAGES, `${where} "${part.language}"`)
    }
  }
})

for (const page of pages) {
  const blocks = page.parts.filter(part => part.kind === 'fence').filter(({ language }) => language === 'sh')
  if (blocks.length === 0) continue
  t.test(`the commands of ${page.path} can be given, or a reason is known why no test does`, async t => {
    for (const block of blocks) {
      for (const command of commandsOf(block)) {
        const problem = await problemOf(page, command)
        t.equal(problem, undefined, `${page.path}:${block.line} ${command}`)
      }
    }
  })
}

t.test('the list of what is not run holds nothing else', async t => {
  for (const { begins } of NOT_RUN) t.ok(used.has(begins), begins)
})

// It takes as long as all other pages together; .ci/run asks for it.
if (process.env.DOCS_ALL === '1') {
  t.test('the demo comes to its end', async t => {
    const folder = await quickFolder(t)
    const script = `
      import { makeDemoMachine } from '${root}scripts/demo/make_machine.mjs'
      import { tell } from '${root}scripts/demo/tell.mjs'
      const [folder] = process.argv.slice(2)
      await makeDemoMachine('${root}', folder, folder + '/machines/demo')
      const program = '${root}dist/cli.js'
      await tell({ program, machines: folder + '/machines', home: folder + '/none', signal: new AbortController().signal })
    `
    const file = join(folder, 'demo.mjs')
    await writeFile(file, script)
    await mkdir(join(folder, 'machines'))
    const { status, stdout, stderr } = await run(process.execPath, [file, folder])
    t.equal(status, 0, stderr)
    t.match(stdout, 'The digests are the same as before')
  })
}

/** The single commands of a block, without comments. */
function commandsOf(block: Fence): string[] {
  const lines = block.text.replace(/\\\n\s*/g, '').split('\n')
  return lines
    .map(line => line.replace(/(^|\s+)#.*/, ''))
    .flatMap(line => line.split(' && '))
    .map(line => line.trim())
    .filter(line => line !== '')
}

async function problemOf(page: Page, command: string): Promise<string | undefined> {
  const [program, ...args] = plainWords(command) ?? []
  if (program === 'vboxmerge') {
    const { status, stderr } = await runFake(args)
    return status === 0 ? undefined : stderr
  }
  const known = NOT_RUN.find(one => command.startsWith(one.begins) && (one.page ?? page.path) === page.path)
  if (known === undefined) return 'it is neither run nor in test/docs/fixtures/not_run.ts'
  used.add(known.begins)
  return undefined
}
