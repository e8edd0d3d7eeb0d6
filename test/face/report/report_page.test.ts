import t from 'tap'
import type { RunReport } from '../../../lib/ensure/report_data.ts'
import { renderReport } from '../../../lib/face/report/report_page.ts'
import { sampleResult } from '../cli/fixtures/samples.ts'
import { sampleMap, samplePlan, sampleRun, sampleState } from './fixtures/sample_reports.ts'

/** What a page says, without markup, in one line. */
function textOf(page: string): string {
  const body = page.replace(/<(style|title)>[\s\S]*?<\/\1>/g, '').replace(/<[^>]*>/g, ' ')
  return body.replaceAll('&quot;', '"').replaceAll('&gt;', '>').replace(/\s+/g, ' ')
}

t.test('a run is told in a sentence, with what it came to', async t => {
  const text = textOf(renderReport(sampleRun()))
  t.match(text, 'Done')
  t.match(
    text,
    'Finished what an interrupted run had begun, merged 4 snapshots, compacted 1 image and took the snapshot “Base”. ' +
      'The machine takes 40.0 MiB on the host instead of 90.1 GiB: 90.1 GiB (> 99 %) less.',
  )
  t.match(text, 'in one pass over the disks that took 1 min 0 s')
  t.match(text, 'Took the snapshot "Base" 10 B 20 B 30 B 1.3 s', 'a step with a time of its own')
})

t.test('a plan says that it is one, and nothing of it as if it were done', async t => {
  const page = renderReport(samplePlan())
  const text = textOf(page)
  t.match(text, 'A plan: nothing has been changed')
  t.match(text, 'A run would finish what an interrupted run had begun, merge 4 snapshots, ')
  t.match(text, 'The machine would take at most 40.0 MiB')
  t.match(text, 'a forecast')
  t.notMatch(text, /\b(Took|Merged|Compacted|Done)\b/)
  t.match(page, '<title>web: plan of vboxmerge</title>')
})

t.test('nothing to do, a machine that is left alone, and a machine as it is say so', async t => {
  const run = sampleRun()
  const still: RunReport = { ...run, result: sampleResult(), after: run.before }
  const text = textOf(renderReport(still))
  t.match(text, 'Nothing to do')
  t.notMatch(text, /Before|After/, 'there is one moment to show')
  const skipped = { ...still, result: sampleResult({ skipped: 'The machine "web" is running' }) }
  t.match(textOf(renderReport(skipped)), 'Left alone')
  t.match(textOf(renderReport(skipped)), 'Nothing was done: The machine "web" is running')
  const state = textOf(renderReport(sampleState()))
  t.match(state, 'It has 13 snapshots and 14 images that take 90.1 GiB on the host.')
  t.match(state, 'Refused: Cannot do it')
  t.match(state, 'compact The rest is not known without a look into the disks')
})

t.test('a clone is told beside its machine', async t => {
  const run = sampleRun()
  const clone = {
    name: 'web Clone',
    id: 'c',
    settingsFile: '/vms/web Clone/web Clone.vbox',
    registered: true,
  }
  const step = {
    kind: 'clone',
    action: 'create',
    name: 'web Clone',
    settingsFile: clone.settingsFile,
  } as const
  const forecast = { readBytes: 1, writtenBytes: 2, freedBytes: -2 }
  const steps = [{ ...step, snapshot: null, disks: [], forecast }]
  const text = textOf(renderReport({ ...run, result: { ...run.result, clone, steps } }))
  t.match(text, 'Wrote the clone “web Clone”. The clone takes 40.0 MiB on the host')
  t.match(text, 'stays as it is')
  t.match(text, 'The machine 5 images')
  t.match(text, 'The clone 2 images')
})

t.test('why a volume is kept, and why a disk is not shown, is said', async t => {
  const text = textOf(renderReport(sampleRun()))
  t.match(text, 'Why all is kept: it was not cleanly shut down')
  t.match(text, /cannot be shown\. Cannot map "x\.vmdk": its format is VMDK/)
})

t.test('a forest of snapshots is whole, and lists are closed as they were opened', async t => {
  const page = renderReport(sampleRun({ depth: 9 }))
  for (let at = 0; at < 9; at++) t.ok(page.includes(`<bdi>snapshot ${at}</bdi>`), `snapshot ${at}`)
  const open: string[] = []
  for (const [, end, tag = ''] of page.matchAll(
    /<(\/?)(ul|li|ol|table|tr|section|article|figure|div|dl)\b/g,
  )) {
    if (end === '') open.push(tag)
    else if (open.pop() !== tag) t.fail(`</${tag}> closes nothing`)
  }
  t.same(open, [])
})

t.test('disks of 2 TiB under 500 snapshots make a page of less than 1 MB', async t => {
  const run = sampleRun({ depth: 500, disks: 3 })
  const map = { ...sampleMap(1, 501, 1024), capacity: 2 ** 41, cellSize: 2 ** 31 }
  const disks = run.before.disks.map(disk => (disk.map === null ? disk : { ...disk, map }))
  const page = renderReport({ ...run, before: { ...run.before, disks } })
  t.ok(page.length < 1e6, `${page.length} characters`)
  t.match(page, 'Show all 1503 images')
})

t.test('a chain runs straight down, only a fork begins lists of its own', async t => {
  const depthOf = (depth: number): number => {
    let [open, deepest] = [0, 0]
    for (const [tag] of renderReport(sampleState({ depth, disks: 0 })).matchAll(/<\/?ul\b/g)) {
      open += tag === '<ul' ? 1 : -1
      deepest = Math.max(deepest, open)
    }
    return deepest
  }
  t.equal(depthOf(30), depthOf(4), 'the sample forks once')
})

t.test('a chain of thousands of snapshots does not end the program', async t => {
  const text = textOf(renderReport(sampleRun({ depth: 20_000, disks: 0 })))
  t.match(text, 'snapshot 19999')
})
