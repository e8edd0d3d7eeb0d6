// What the hunt holds accesses against is found without the product: here both are asked.
import { Buffer } from 'node:buffer'
import t from 'tap'
import { carryOut } from '../fixtures/hostile/operations.ts'
import { cloneFile } from '../fixtures/hostile/own_files.ts'
import { makeWorlds, put } from '../fixtures/hostile/world.ts'

const NAMES = [
  'web',
  '\u202etxt.exe',
  'x\ny',
  '..',
  '.a',
  '-a',
  ' a ',
  'a/b\\c',
  '日本',
  '😀',
  '\ue000',
  'x\u009b2J',
]

t.test('the hunt looks for a clone where one is made, whatever the machine is called', async t => {
  const [world] = await makeWorlds()
  if (world === undefined) throw new Error('there is no world')
  const { settingsFile } = world.made
  const text = Buffer.from(await world.files.readFile(settingsFile, 2 ** 20)).toString()
  for (const name of NAMES) {
    const files = world.files.fork()
    const written = [...name].map(one => `&#${one.codePointAt(0)};`).join('')
    await put(files, settingsFile, Buffer.from(text.replace(' name="web"', ` name="${written}"`)))
    const result = await carryOut(files, 'clone', settingsFile)
    t.equal('clone' in result && result.clone?.settingsFile, await cloneFile(files, settingsFile), name)
    t.equal((await files.stat(String(await cloneFile(files, settingsFile))))?.kind, 'file', name)
  }
})
