// What a run leaves as a report, and that a report never gets in the way of a run.
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ensureCloned } from '../../lib/ensure/cloned.ts'
import { type CheckedOptions, ensureWanted } from '../../lib/ensure/ensure_wanted.ts'
import { forecastTree } from '../../lib/ensure/forecast_tree.ts'
import { ensureGoldenImage } from '../../lib/ensure/golden_image.ts'
import { type EnsureHost, realEnsureHost } from '../../lib/ensure/host.ts'
import { inspectMachine } from '../../lib/ensure/machine_info.ts'
import { ensureMerged } from '../../lib/ensure/merged.ts'
import type { MergeOptions } from '../../lib/ensure/options.ts'
import { reportMachine } from '../../lib/ensure/report_machine.ts'
import type { EnsureResult } from '../../lib/ensure/result.ts'
import { wantedMerge } from '../../lib/ensure/wanted_parts.ts'
import { faultyFiles } from '../../lib/io/faulty_files.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import type { SnapshotInfo } from '../../lib/machine/info_types.ts'
import { withLock } from '../../lib/machine/lock.ts'
import { parseOptions } from '../../lib/options/parse_options.ts'
import { hasCode } from '../fixtures/has_code.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import type { MachineSpec } from '../fixtures/machine_spec.ts'
import { fingerprintsOf } from '../fixtures/observed_machine.ts'
import { quickFolder } from '../fixtures/quick_folder.ts'

const BLOCK = 128 * 1024
const disk = { capacity: 8 * BLOCK, blockSize: BLOCK }

interface Scene {
  readonly folder: string
  readonly made: MadeMachine
  readonly options: { readonly vboxUserHome: string; readonly freeSpace: 'keep' }
  /** Where reports go. */
  readonly report: string
}

async function setUp(t: Test, spec: Partial<MachineSpec> = {}): Promise<Scene> {
  const folder = await quickFolder(t)
  const machine = { layout: 'small', disks: [disk, disk], snapshots: ['one', 'two'], ...spec } as const
  const made = await makeMachine(realFiles, join(folder, 'web'), machine)
  await mkdir(join(folder, 'out'))
  const options = { vboxUserHome: join(folder, 'home'), freeSpace: 'keep' } as const
  return { folder, made, options, report: join(folder, 'out', 'report.html') }
}

/** What a page says of itself below its title. */
async function standing(path: string): Promise<string | undefined> {
  return /<p class="standing \w+">([^<]*)</.exec(await readFile(path, 'utf8'))?.[1]
}

t.test('a plan, a run and a run without work each leave a page that says what it is', async t => {
  const { folder, made, options, report } = await setUp(t)
  const before = await fingerprintsOf(join(folder, 'web'))
  const plan = await ensureGoldenImage(made.settingsFile, { ...options, check: true, report })
  t.equal(plan.changed, true)
  t.equal(plan.times, undefined)
  t.equal(await standing(report), 'A plan: nothing has been changed')
  t.strictSame(await fingerprintsOf(join(folder, 'web')), before, 'check mode wrote nothing else')
  t.same(await readdir(join(folder, 'out')), ['report.html'])

  const run = await ensureGoldenImage(made.settingsFile, { ...options, report, digest: true })
  t.same(run.warnings, [])
  t.equal(await standing(report), 'Done', 'an older report is replaced')
  const page = await readFile(report, 'utf8')
  t.match(page, run.digests?.[0]?.sha256)
  t.match(page, /<b>Before<\/b> <span class="quiet">3 images;/, 'the disks before')
  t.match(page, /<b>After<\/b> <span class="quiet">2 images;/, 'the disks after')

  const again = await ensureGoldenImage(made.settingsFile, { ...options, report })
  t.equal(again.changed, false)
  t.equal(await standing(report), 'Nothing to do')
  t.same(await readdir(join(folder, 'out')), ['report.html'])
})

t.test('a report belongs to whom the settings belong to, an older one keeps what it has', async t => {
  const { made, options, report } = await setUp(t)
  const settings = await stat(made.settingsFile)
  await ensureMerged(made.settingsFile, { vboxUserHome: options.vboxUserHome, check: true, report })
  const first = await stat(report)
  t.same([first.uid, first.gid, first.mode], [settings.uid, settings.gid, settings.mode])
  const { chmod } = await import('node:fs/promises')
  await chmod(report, 0o640)
  await ensureMerged(made.settingsFile, { vboxUserHome: options.vboxUserHome, check: true, report })
  t.equal((await stat(report)).mode & 0o777, 0o640)
})

t.test('what is no report is never overwritten, and the run is refused before it begins', async t => {
  const { folder, made, options, report } = await setUp(t)
  const { vboxUserHome } = options
  const out = join(folder, 'out')
  await writeFile(join(out, 'notes.html'), '<!doctype html>\n<p>My notes</p>\n')
  await symlink(made.settingsFile, join(out, 'link.html'))
  await mkdir(join(out, 'folder.html'))
  const before = await fingerprintsOf(folder)
  const refusals = [
    ['notes.html', /notes\.html": there is something of that name already, which is no report; choose/],
    ['link.html', /no report/],
    ['folder.html', /no report/],
    ['nowhere/report.html', /there is no folder ".*nowhere"; make it first/],
  ] as const
  for (const [name, message] of refusals) {
    const place = join(out, name)
    const refused = hasCode('invalid_options', message)
    await t.rejects(ensureMerged(made.settingsFile, { vboxUserHome, report: place }), refused, name)
    await t.rejects(
      ensureCloned(made.settingsFile, { vboxUserHome, report: place }),
      refused,
      `clone, ${name}`,
    )
    await t.rejects(
      reportMachine(made.settingsFile, { vboxUserHome, output: place }),
      refused,
      `report, ${name}`,
    )
  }
  await t.rejects(
    ensureMerged(made.settingsFile, { vboxUserHome, report: made.settingsFile }),
    hasCode('invalid_options', /no report/),
    'the machine itself',
  )
  t.strictSame(await fingerprintsOf(folder), before)
  t.ok(report)
})

t.test('whatever call on the report fails, the run is refused at once or done with a warning', async t => {
  const outcomes: string[] = []
  for (let at = 1; ; at++) {
    const { folder, made, options, report } = await setUp(t, { disks: [disk] })
    const fault = { operation: 'any', path: /report\.html|out$/, at, error: 'ENOSPC' } as const
    const faulty = faultyFiles(realFiles, [fault])
    const before = await fingerprintsOf(join(folder, 'web'))
    const outcome = await merge({ ...realEnsureHost, files: faulty.files }, made, {
      vboxUserHome: options.vboxUserHome,
      report,
    }).catch((error: unknown) => error)
    if (faulty.hits() === 0) break
    const left = await readdir(join(folder, 'out'))
    if (outcome instanceof Error) {
      outcomes.push('refused')
      t.strictSame(await fingerprintsOf(join(folder, 'web')), before, `${at}: nothing is changed`)
    } else {
      outcomes.push('warned')
      const { changed, warnings } = outcome as EnsureResult
      t.same([changed, warnings.map(({ code }) => code)], [true, ['report_not_written']], `${at}`)
      t.match(warnings[0]?.message, /^The report ".*report\.html" is not written: ENOSPC/)
    }
    // What could not be taken away is gone with the next report of that name.
    if (left.some(name => !/^report\.html(\.vboxmerge-tmp)?$/.test(name))) t.fail(left.join())
    const { vboxUserHome } = options
    await ensureMerged(made.settingsFile, { vboxUserHome, report })
    t.same(await readdir(join(folder, 'out')), ['report.html'], `${at}: the next one is written`)
  }
  t.ok(outcomes.includes('refused') && outcomes.includes('warned'), outcomes.join(' '))
  t.same(outcomes, [...outcomes].sort(), 'refusals come first')
})

t.test('a run that fails leaves no report, and an older one as it was', async t => {
  const { folder, made, options, report } = await setUp(t, {
    snapshots: ['one', 'two', { name: 'other', on: 'one' }],
    current: 'two',
  })
  const { vboxUserHome } = options
  const blocked = hasCode('branch_blocked', /./)
  await t.rejects(ensureMerged(made.settingsFile, { vboxUserHome, report }), blocked)
  t.same(await readdir(join(folder, 'out')), [])
  await reportMachine(made.settingsFile, { vboxUserHome, output: report })
  const older = await readFile(report, 'utf8')
  await t.rejects(ensureMerged(made.settingsFile, { vboxUserHome, report }), blocked)
  t.equal(await readFile(report, 'utf8'), older)
})

t.test('a machine that is left alone has a report that says so', async t => {
  const { made, options, report } = await setUp(t)
  const patience = { timeout: 5, signal: undefined }
  const skipped = await withLock(realFiles, made.settingsFile, patience, async () => {
    const { vboxUserHome } = options
    return await ensureMerged(made.settingsFile, { vboxUserHome, lockTimeout: 0, whenBusy: 'skip', report })
  })
  t.type(skipped.skipped, 'string')
  t.equal(await standing(report), 'Left alone')
})

t.test('a clone has a report with the machine and the clone', async t => {
  const { made, options, report } = await setUp(t)
  const plan = await ensureCloned(made.settingsFile, { ...options, check: true, report })
  t.same(plan.warnings, [])
  t.equal(await standing(report), 'A plan: nothing has been changed')
  const { warnings, times } = await ensureCloned(made.settingsFile, { ...options, report })
  t.same(warnings, [])
  t.type(times?.total, 'number')
  t.same(times?.steps, [times?.total], 'its only step took all the time')
  const page = await readFile(report, 'utf8')
  t.match(page, /<b>The machine<\/b> <span class="quiet">3 images;/)
  t.match(page, /<b>The clone<\/b> <span class="quiet">1 image;/)
  await ensureCloned(made.settingsFile, { ...options, report })
  t.equal(await standing(report), 'Nothing to do')
})

t.test('the snapshots that a plan shows are those that the run leaves', async t => {
  const tree: Partial<MachineSpec> = {
    disks: [disk],
    snapshots: ['a', 'b', { name: 'x', on: 'a' }, { name: 'c', on: 'b' }, { name: 'd', on: 'c' }],
    current: 'd',
  }
  const line: Partial<MachineSpec> = { disks: [disk], snapshots: ['a', 'b', 'c', 'd'] }
  const cases: readonly (readonly [Partial<MachineSpec>, MergeOptions])[] = [
    [line, { skip: 2 }],
    [line, { skip: 1, count: 2, discardCurrentState: true }],
    [line, { from: 'b', branches: 'discard' }],
    [tree, { branches: 'stop' }],
    [tree, { branches: 'discard' }],
    [tree, { from: 'x', branches: 'stop' }],
  ]
  for (const [spec, merging] of cases) {
    const { made, options } = await setUp(t, spec)
    const wish = { ...options, ...merging }
    const { snapshots } = await inspectMachine(made.settingsFile, { vboxUserHome: options.vboxUserHome })
    const { steps } = await ensureGoldenImage(made.settingsFile, { ...wish, check: true })
    const run = await ensureGoldenImage(made.settingsFile, wish)
    t.equal(run.times?.steps.length, run.steps.length)
    const left = (await inspectMachine(made.settingsFile, { vboxUserHome: options.vboxUserHome })).snapshots
    t.same(shapeOf(forecastTree(snapshots, steps)), shapeOf(left), JSON.stringify(merging))
  }
})

t.test('a machine as it is has a page of its own, and stays as it is', async t => {
  const { folder, made, options, report } = await setUp(t)
  const { vboxUserHome } = options
  const before = await fingerprintsOf(join(folder, 'web'))
  const { info, html, file } = await reportMachine(made.settingsFile, {
    vboxUserHome,
    output: report,
    scan: true,
  })
  t.equal(file, report)
  t.equal(await readFile(report, 'utf8'), html)
  t.same(info, await inspectMachine(made.settingsFile, { vboxUserHome, scan: true }))
  t.equal(await standing(report), 'The machine as it is')
  const none = await reportMachine(made.settingsFile, { vboxUserHome, output: '-' })
  t.equal(none.file, null)
  t.same(await readdir(join(folder, 'out')), ['report.html'])
  t.strictSame(await fingerprintsOf(join(folder, 'web')), before)
})

t.test('a machine with a damaged image has a page, which says what is wrong', async t => {
  const { made, options, report } = await setUp(t)
  await writeFile(made.imageOf('current', 1)?.path ?? '', 'no image at all')
  await reportMachine(made.settingsFile, { vboxUserHome: options.vboxUserHome, output: report, scan: true })
  const page = await readFile(report, 'utf8')
  t.match(page, 'cannot be shown')
  t.match(page, /<b>Now<\/b> <span class="quiet">3 images;/, 'the other disk is shown')
})

/** What of a tree is the same in a forecast and in what comes: names, who hangs on whom, which is current. */
function shapeOf(snapshots: readonly SnapshotInfo[]): unknown {
  const names = new Map(snapshots.map(({ id, name }) => [id, name]))
  return snapshots
    .map(({ name, parent, current }) => [name, parent === null ? null : names.get(parent), current])
    .sort()
}

async function merge(host: EnsureHost, made: MadeMachine, options: MergeOptions): Promise<EnsureResult> {
  const checked = parseOptions('merge', options)
  const wanted = {
    merged: wantedMerge(checked),
    compacted: undefined,
    baseSnapshot: undefined,
    discardSavedState: false,
  }
  return await ensureWanted(made.settingsFile, wanted, checked satisfies CheckedOptions, host)
}
