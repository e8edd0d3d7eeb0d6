import { rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { realFiles } from '../../lib/io/real_files.ts'
import type { Clock } from '../../lib/virtualbox/clock.ts'
import { damageOf, guardSettings } from '../../lib/virtualbox/guard_settings.ts'
import { hasCode } from '../fixtures/has_code.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'

const GOOD = '<?xml version="1.0"?>\n<VirtualBox version="1.19-linux">\n</VirtualBox>\n'
const noWait: Clock = { now: () => 0, sleep: async () => undefined }

t.test('damageOf() sees an empty and a cut file', async t => {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
  t.equal(damageOf(bytes(GOOD)), undefined)
  t.equal(damageOf(bytes(`\ufeff${GOOD.trim()}`)), undefined)
  t.equal(damageOf(bytes('')), 'is empty')
  t.equal(damageOf(bytes(GOOD.slice(0, -4))), 'is cut off')
  t.equal(damageOf(new Uint8Array(4096)), 'does not begin like XML')
  t.equal(damageOf(undefined), 'is gone')
})

t.test('guardSettings() tells how to put back what VirtualBox emptied', async t => {
  const folder = await temporaryFolder(t)
  const settings = join(folder, 'web.vbox')
  const home = join(folder, 'VirtualBox.xml')
  await writeFile(settings, GOOD)
  await writeFile(home, GOOD)
  await guardSettings(realFiles, [settings, home], noWait)

  await writeFile(settings, '')
  await writeFile(`${settings}-prev`, GOOD)
  const copy = hasCode('engine_failed', /web\.vbox" damaged, it is empty.*copy ".*web\.vbox-prev" over it/)
  await t.rejects(guardSettings(realFiles, [settings, home], noWait), copy)

  await writeFile(`${settings}-prev`, '')
  const none = hasCode('engine_failed', /web\.vbox-prev" is no better/)
  await t.rejects(guardSettings(realFiles, [settings, home], noWait), none)

  await writeFile(settings, GOOD)
  await rm(home)
  await t.rejects(guardSettings(realFiles, [settings, home], noWait), hasCode('engine_failed', /it is gone/))
})

t.test('guardSettings() looks again, as VirtualBox may just be saving', async t => {
  const folder = await temporaryFolder(t)
  const settings = join(folder, 'web.vbox')
  const sleep = async (): Promise<void> => writeFile(settings, GOOD)
  await t.resolves(guardSettings(realFiles, [settings], { now: () => 0, sleep }))
})

t.test('guardSettings() follows a link to the settings of the home', async t => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'real.xml'), GOOD)
  await symlink('real.xml', join(folder, 'VirtualBox.xml'))
  await t.resolves(guardSettings(realFiles, [join(folder, 'VirtualBox.xml')], noWait))
})
