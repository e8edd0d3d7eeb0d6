// What the pages show of commands and their output is what comes of them.
import { writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import t, { type Test } from 'tap'
import { matchesFile } from '../face/cli/fixtures/matches_file.ts'
import { quickFolder } from '../fixtures/quick_folder.ts'
import { findProgram, skipWithout } from '../fixtures/setup_programs.ts'
import {
  isShown,
  type ShownCommand,
  shownAnew,
  shownCommands,
  withoutVarying,
} from './fixtures/console_block.ts'
import { skipWithoutGuest } from './fixtures/guest_disk.ts'
import { readMachineNote } from './fixtures/machine_note.ts'
import { documentedPages, type Fence, noteOf, type Page, root, withTexts } from './fixtures/pages.ts'
import { plainWords, type Scene, setScene } from './fixtures/scene.ts'
import { terminalPicture } from './fixtures/terminal_picture.ts'

/** What the picture in the README shows. */
const PICTURED: readonly string[] = [
  'vboxmerge golden "My Machine" --check',
  'vboxmerge golden "My Machine"',
  'vboxmerge golden "My Machine"',
]
const TITLE =
  'A terminal: a dry run of vboxmerge golden, the run itself, and a second one that finds nothing to do'

const ANEW = process.env.TAP_SNAPSHOT === '1'
const pages = documentedPages().filter(page => fences(page).some(isRun))
const templates = await quickFolder(t)

t.test('pages show commands with their output', async t => {
  t.ok(pages.length > 0)
})

for (const page of pages) {
  const needsGuest = page.parts.some(part => part.kind === 'note' && wantsGuest(part.text))
  const skip = (needsGuest && skipWithoutGuest) || (needsShell(page) && !findProgram('bash') && 'needs bash')
  t.test(`${page.path} shows what the commands print`, { skip }, async t => {
    const folder = await quickFolder(t)
    const scene = setScene(folder, templates)
    const texts = new Map<number, string>()
    for (const part of page.parts) {
      if (part.kind === 'note' && part.text.startsWith('machine: ')) {
        await scene.makeMachine(part.text.slice('machine: '.length))
      } else if (part.kind === 'fence' && part.language === 'console') {
        const anew = await follow(t, scene, page, part)
        if (anew !== part.text) texts.set(part.line, anew)
      } else if (part.kind === 'fence' && noteOf(part, 'run') !== undefined) {
        await runProgram(t, scene, page, part)
      }
    }
    if (ANEW && texts.size > 0) writeFileSync(join(root, page.path), withTexts(page, texts))
  })
}

t.test(
  'the picture of a terminal in the README shows what the commands print',
  { skip: skipWithoutGuest },
  async t => {
    const scene = setScene(await quickFolder(t), templates)
    await scene.makeMachine('My Machine; installed > updated > before the upgrade; guest')
    let text = ''
    for (const command of PICTURED) {
      const printed = withoutVarying(
        (await scene.run(command, 'coloured')).replaceAll(scene.folder, '~'),
        scene.folder,
      )
      text += `\u001b[32m$\u001b[39m \u001b[1m${command}\u001b[22m\n${printed}\n\n`
    }
    matchesFile(
      t,
      new URL('../../docs/images/terminal.svg', import.meta.url),
      terminalPicture(text, TITLE),
      'the picture',
    )
  },
)

t.test('blocks that are kept elsewhere too are the same there', async t => {
  for (const page of documentedPages()) {
    const texts = new Map<number, string>()
    for (const fence of fences(page)) {
      const kept = noteOf(fence, 'shows')
      if (kept === undefined) continue
      const text = (await readFile(join(root, kept), 'utf8')).trimEnd()
      if (ANEW) texts.set(fence.line, text)
      else t.equal(fence.text, text, `${page.path}:${fence.line} ${kept}`)
    }
    if (texts.size > 0) writeFileSync(join(root, page.path), withTexts(page, texts))
  }
})

/** Runs the commands of a block; returns its text as it should be. */
async function follow(t: Test, scene: Scene, page: Page, fence: Fence): Promise<string> {
  const commands = shownCommands(fence.text)
  const printed: string[] = []
  for (const shown of commands) {
    const now = await scene.run(shown.command)
    printed.push(now)
    if (!ANEW) compare(t, shown, now, `${page.path}:${fence.line} ${shown.command}`)
  }
  return shownAnew(commands, printed, scene.folder)
}

function compare(t: Test, shown: ShownCommand, printed: string, name: string): void {
  if (isShown(shown.output, printed)) t.pass(name)
  else t.equal(printed.trimEnd(), shown.output, `${name} (TAP_SNAPSHOT=1 writes the page anew)`)
}

/** Runs a program below a comment such as `run: node` where the machines lie. */
async function runProgram(t: Test, scene: Scene, page: Page, fence: Fence): Promise<void> {
  const runtime = noteOf(fence, 'run') ?? ''
  // Deno reads the sources anew, which takes as long as a page; .ci/run asks for it.
  if (runtime === 'deno' && process.env.DOCS_ALL !== '1') return
  const where = `${page.path}:${fence.line} runs with ${runtime}`
  const skip = runtime === 'deno' && skipWithout('deno')
  await t.test(where, { skip }, async t => {
    const status = await scene.runProgram(fence.language, fence.text, runtime)
    t.equal(status, '0', where)
  })
}

function isRun(fence: Fence): boolean {
  return fence.language === 'console' || noteOf(fence, 'run') !== undefined
}

function fences(page: Page): Fence[] {
  return page.parts.filter(part => part.kind === 'fence')
}

function needsShell(page: Page): boolean {
  const shown = fences(page).filter(({ language }) => language === 'console')
  return shown.some(fence =>
    shownCommands(fence.text).some(({ command }) => plainWords(command)?.[0] !== 'vboxmerge'),
  )
}

function wantsGuest(note: string): boolean {
  return note.startsWith('machine: ') && readMachineNote(note.slice('machine: '.length)).guest
}
