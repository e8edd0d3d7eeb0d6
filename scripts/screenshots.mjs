// npm run screenshots [-- FOLDER] [--readme]: pictures of reports on a machine that is made for the purpose, in
// .build/screenshots or FOLDER. With --readme, the one of the README is made anew as well.
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import process from 'node:process'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { ensureGoldenImage } from '../lib/ensure/golden_image.ts'
import { reportMachine } from '../lib/ensure/report_machine.ts'
import { skipWithoutBrowser, startBrowser } from '../test/fixtures/browser.ts'
import { requireTools } from '../test/fixtures/guest/tools.ts'
import { makeShowcase, SHOWCASE_TOOLS } from '../test/fixtures/report_showcase.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const words = process.argv.slice(2)
const folder = resolve(words.find(word => !word.startsWith('--')) ?? join(root, '.build/screenshots'))
const obstacle = skipWithoutBrowser || requireTools(...SHOWCASE_TOOLS)
if (obstacle) {
  console.error(`Cannot make pictures: ${obstacle}`)
  process.exit(1)
}

/** The parts of the page that the README shows. */
const EXCERPT = `
  nav, footer, .facts, section:not([aria-labelledby=summary]):not([aria-labelledby=disks]), .disk ~ .disk { display: none }
  .bars { margin-bottom: 0 } body { padding-block: 2.25rem 1rem } section > .disk { margin-bottom: 0 }
`

mkdirSync(folder, { recursive: true })
const work = realpathSync(mkdtempSync(join(tmpdir(), 'vboxmerge-screenshots-')))
try {
  await takePictures(await makeReports())
} finally {
  rmSync(work, { recursive: true, force: true, maxRetries: 3 })
}

/** Makes the machine and all kinds of reports on it. */
async function makeReports() {
  const temporary = join(work, 'temporary')
  mkdirSync(temporary)
  const { settingsFile } = await makeShowcase(join(work, 'web-01'), temporary)
  const options = { vboxUserHome: join(work, 'no-virtualbox') }
  const path = name => join(work, `${name}.html`)
  await reportMachine(settingsFile, { ...options, output: path('state'), scan: true })
  await ensureGoldenImage(settingsFile, { ...options, check: true, report: path('plan') })
  await ensureGoldenImage(settingsFile, { ...options, digest: true, report: path('run') })
  return path
}

async function takePictures(path) {
  const browser = await startBrowser()
  try {
    const page = await browser.newPage()
    const take = async (report, name, { width = 1280, colorScheme = 'light', media = 'screen', style }) => {
      await page.setViewportSize({ width, height: 900 })
      await page.emulateMedia({ colorScheme, media })
      await page.goto(pathToFileURL(path(report)).href)
      if (style !== undefined) await page.addStyleTag({ content: style })
      await page.screenshot({ path: name, fullPage: true })
      console.log(name)
    }
    for (const report of ['state', 'plan', 'run']) await take(report, join(folder, `${report}-wide.png`), {})
    await take('run', join(folder, 'run-dark.png'), { colorScheme: 'dark' })
    await take('run', join(folder, 'run-narrow.png'), { width: 360 })
    await take('run', join(folder, 'run-paper.png'), { width: 794, media: 'print' })
    if (words.includes('--readme')) {
      await take('run', join(root, 'docs/images/report.png'), { width: 1100, style: EXCERPT })
    }
  } finally {
    await browser.close()
  }
}
