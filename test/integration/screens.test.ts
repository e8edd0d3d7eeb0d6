// What docs/screens shows is what the built program prints.
import { spawnSync } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { textWidth } from '../../lib/face/cli/text.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'

const root = join(import.meta.dirname ?? '', '../..')
const kept = join(root, 'docs/screens')

/** The script works in /tmp, so that its paths are as long as those that are shown. */
const skip = process.platform === 'linux' ? false : 'paths are of another length here'

t.test('the screens of the docs are what a new user sees', { skip }, async t => {
  const folder = process.env.TAP_SNAPSHOT === '1' ? kept : await temporaryFolder(t)
  const script = join(root, 'scripts/screens.mjs')
  const { status, stderr } = spawnSync(process.execPath, [script, folder], { encoding: 'utf8' })
  t.strictSame([status, stderr], [0, ''])
  const names = await readdir(kept)
  t.strictSame((await readdir(folder)).sort(), names.sort())
  for (const name of names) {
    const text = await readFile(join(kept, name), 'utf8')
    t.equal(await readFile(join(folder, name), 'utf8'), text, name)
    t.ok(
      text.split('\n').every(line => textWidth(line) <= 80),
      `${name} fits 80 columns`,
    )
  }
})
