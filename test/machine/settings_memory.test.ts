// VirtualBox indents each snapshot deeper than the one before: the settings of 500 have 18 MB.
import { Buffer } from 'node:buffer'
import { spawnSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { eachSnapshot } from '../../lib/machine/media_graph.ts'
import { readSettings } from '../../lib/machine/read_settings.ts'
import { parseSettings } from '../../lib/machine/settings_document.ts'
import { planMachine } from '../fixtures/machine_plan.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'
import { vboxText } from '../fixtures/vbox_text.ts'

const SNAPSHOTS = 500

/** MB that may be taken by all that is made of the settings; the bytes of the file are not among them. */
const HEAP = 24

const root = fileURLToPath(new URL('../..', import.meta.url))

t.test('settings of 500 snapshots are read, edited and written in little memory', async t => {
  const folder = await temporaryFolder(t)
  const names = Array.from({ length: SNAPSHOTS }, (_, at) => `s${at}`)
  const text = vboxText(planMachine(folder, { disks: [{}], snapshots: names }))
  t.ok(text.length > 15_000_000, `${text.length} characters`)
  const [from, to] = [join(folder, 'web.vbox'), join(folder, 'new.vbox')]
  await writeFile(from, text)
  const program = ['--import', './scripts/typescript.mjs', 'test/fixtures/take_out_snapshots.ts']
  const { status, stderr } = spawnSync(
    process.execPath,
    [`--max-old-space-size=${HEAP}`, ...program, from, to],
    { cwd: root, encoding: 'utf8' },
  )
  t.equal(status, 0, stderr.slice(0, 2000))
  const left = readSettings(parseSettings(await readFile(to), to))
  const kept = [...eachSnapshot(left.rootSnapshot)].map(({ name }) => name)
  t.same(
    kept,
    names.filter((_, at) => at % 2 === 0),
  )
  t.same(left.media, readSettings(parseSettings(Buffer.from(text), to)).media)
})
