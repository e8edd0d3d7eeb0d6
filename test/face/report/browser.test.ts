// The page as a real browser has it.
import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Page } from 'playwright-core'
import t from 'tap'
import type { ReportData } from '../../../lib/ensure/report_data.ts'
import { renderReport } from '../../../lib/face/report/report_page.ts'
import { skipWithoutBrowser, startBrowser } from '../../fixtures/browser.ts'
import { temporaryFolder } from '../../fixtures/temporary_folder.ts'
import { samplePlan, sampleRun, sampleState } from './fixtures/sample_reports.ts'

const HOSTILE =
  '</title></style></script><script>window.hacked=1</script><img src=x onerror="window.hacked=1"><b id=bold>' +
  '"\'><svg onload=window.hacked=1>&lt;i&gt;\u202egnp.exe\u0000\u001b[31m\u2066{{7*7}}]]><!--'

/** What a hostile name could have brought into a page. */
interface Found {
  readonly hacked: unknown
  readonly odd: number
  readonly title: string
  readonly heading: string
  readonly comments: boolean
}

const LOOK = `({
  hacked: window.hacked,
  odd: document.querySelectorAll('script, img, b#bold, i, [onload], [onerror]').length,
  title: document.title,
  heading: document.querySelector('h1').textContent,
  comments: document.body.innerHTML.includes('<!--'),
})`

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js')

interface AxeOutcome {
  readonly violations: readonly {
    readonly id: string
    readonly nodes: readonly { readonly html: string }[]
  }[]
  readonly passes: readonly unknown[]
}

/** How a page is looked at. */
interface Look {
  readonly width?: number
  readonly scheme?: 'dark'
  readonly media?: 'print'
}

t.test('in a browser', { skip: skipWithoutBrowser }, async t => {
  const path = join(await temporaryFolder(t), 'page.html')
  const browser = await startBrowser()
  t.teardown(() => browser.close())
  const page = await browser.newPage()
  page.setDefaultTimeout(60_000)
  const requests: string[] = []
  const said: string[] = []
  page.on('request', request => requests.push(request.url()))
  page.on('console', message => said.push(message.text()))
  page.on('pageerror', error => said.push(error.message))

  const show = async (data: ReportData, look: Look = {}): Promise<void> => {
    await page.emulateMedia({ media: look.media ?? 'screen', colorScheme: look.scheme ?? 'light' })
    await page.setViewportSize({ width: look.width ?? 1200, height: 800 })
    await writeFile(path, renderReport(data))
    await page.goto(pathToFileURL(path).href)
  }

  await t.test('axe finds nothing wrong, in the light, in the dark, on a phone and on paper', async t => {
    // Measuring contrasts takes long, and every row of a table is like the others.
    const small = { depth: 2, disks: 1 }
    const shown: readonly (readonly [ReportData, Look])[] = [
      [sampleRun(small), {}],
      [samplePlan(small), {}],
      [sampleState(small), {}],
      [sampleRun(small), { scheme: 'dark', width: 360 }],
      [samplePlan(small), { scheme: 'dark', media: 'print' }],
    ]
    for (const [data, look] of shown) {
      await show(data, look)
      const { violations, passes } = await runAxe(page)
      t.same(
        violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`),
        [],
        `${data.kind} ${JSON.stringify(look)}`,
      )
      t.ok(passes.length > 20, `${passes.length} rules were met`)
    }
  })

  await t.test('no page is wider than a phone, whatever the names are', async t => {
    const long = 'x'.repeat(300)
    const reports = [sampleRun(), samplePlan(), sampleState(), sampleRun({ name: long })]
    for (const data of reports) {
      await show(data, { width: 360 })
      const [wide, screen] = await page.evaluate<[number, number]>(
        '[document.documentElement.scrollWidth, window.innerWidth]',
      )
      t.ok(wide <= screen, `${data.kind}: ${wide} pixels on ${screen}`)
    }
  })

  await t.test('what a user or a guest named is shown, and never becomes markup', async t => {
    const reports = [sampleRun, samplePlan, sampleState].map(make => make({ name: HOSTILE }))
    for (const data of reports) {
      await show(data)
      const found = await page.evaluate<Found>(LOOK)
      const shown = HOSTILE.replace('\u202e', '\\u202e')
        .replace('\u0000', '\\x00')
        .replace('\u001b', '\\x1b')
        .replace('\u2066', '\\u2066')
      t.same(found.hacked, undefined)
      t.equal(found.odd, 0, 'no element comes out of a name')
      t.equal(found.heading, shown, 'it is shown as it is')
      t.ok(found.title.startsWith(shown), found.title)
      t.equal(found.comments, false)
    }
  })

  await t.test('it has headings, landmarks, and a text for every picture', async t => {
    await show(sampleRun())
    t.equal(await page.locator('h1').count(), 1)
    for (const landmark of ['banner', 'main', 'navigation', 'contentinfo'] as const) {
      t.equal(await page.getByRole(landmark).count(), 1, landmark)
    }
    const titles = [
      'In figures',
      'Warnings',
      'Steps',
      'Snapshots',
      'Disks',
      'Volumes of the guest',
      'Images',
      'Digests',
    ]
    t.same(await page.locator('h2').allTextContents(), titles)
    const links = page.getByRole('navigation').getByRole('link')
    t.same(await links.allTextContents(), titles, 'all of which are linked')
    const pictures = page.getByRole('img')
    t.equal(await pictures.count(), 4, 'two disks, before and after')
    const text = await pictures.first().getAttribute('aria-label')
    t.match(text, /^Before, SATA 0:0: \d+\s% held by the base image, /)
    t.equal(await page.locator('svg:not([role=img]):not([aria-hidden=true])').count(), 0)
    t.equal(await page.locator('table').count(), await page.locator('table > caption').count())
    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    t.match(page.url(), /#warnings$/, 'the links can be followed by keyboard')
  })

  await t.test('what is shut on screen is open on paper', async t => {
    await show(sampleRun({ depth: 60 }))
    const snapshot = page.getByText('snapshot 40', { exact: true }).first()
    t.equal(await snapshot.isVisible(), false)
    await page.emulateMedia({ media: 'print' })
    await t.resolves(snapshot.waitFor({ state: 'visible' }))
  })

  t.same(
    [...new Set(requests.filter(url => !url.startsWith('data:')))],
    [pathToFileURL(path).href],
    'nothing else was loaded',
  )
  t.same(said, [], 'nothing was said on the console')
})

/** The page lets no script in; what a driver evaluates is not held up by that. */
async function runAxe(page: Page): Promise<AxeOutcome> {
  await page.evaluate(await readFile(axe, 'utf8'))
  return await page.evaluate<AxeOutcome>('axe.run()')
}
