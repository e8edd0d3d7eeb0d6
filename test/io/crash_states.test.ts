import t from 'tap'
import { allCrashStates, type CrashOptions, type CrashState, crashStates } from '../../lib/io/crash_states.ts'
import type { Files } from '../../lib/io/files.ts'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'
import { seed } from '../fixtures/test_run.ts'

t.comment(`VBOXMERGE_SEED=${seed}`)

async function put(files: Files, path: string, text: string, sync: boolean): Promise<void> {
  const file = await files.open(path, 'create')
  await file.write(Buffer.from(text), 0)
  if (sync) await file.sync()
  await file.close()
}

async function get(files: Files, path: string): Promise<string | undefined> {
  if ((await files.stat(path)) === undefined) return undefined
  return Buffer.from(await files.readFile(path, 1 << 20)).toString()
}

/** The distinct views of the states, sorted. */
async function views(
  states: Iterable<CrashState>,
  look: (files: Files) => Promise<unknown>,
): Promise<unknown[]> {
  const seen = new Set<string>()
  for (const { files } of states) seen.add(JSON.stringify(await look(files)) ?? 'null')
  return [...seen].sort().map(text => JSON.parse(text))
}

async function withSettings(): Promise<RecordedFiles> {
  const files = new RecordedFiles()
  await files.makeFolder('/m')
  await put(files, '/m/web.vbox', 'old', false)
  files.settle()
  return files
}

const settings = (files: Files): Promise<string | undefined> =>
  get(files, '/m/web.vbox').then(s => s ?? 'gone')

t.test('a flushed file renamed over another leaves the old or the new, never anything else', async t => {
  const files = await withSettings()
  await put(files, '/m/tmp', 'new', true)
  await files.rename('/m/tmp', '/m/web.vbox')
  await files.syncFolder('/m')
  t.same(await views(allCrashStates(files.recording(), { seed }), settings), ['new', 'old'])
  t.same(await views(crashStates(files.recording()), settings), ['new'], 'after the last flush only the new')
})

t.test('a rename without a flush of the file before it can lose the content', async t => {
  const files = await withSettings()
  await put(files, '/m/tmp', 'new', false)
  await files.rename('/m/tmp', '/m/web.vbox')
  await files.syncFolder('/m')
  t.same(await views(allCrashStates(files.recording(), { seed }), settings), ['', '\0\0\0', 'new', 'old'])
})

t.test('unlink before rename can leave no file at all', async t => {
  const files = await withSettings()
  await put(files, '/m/tmp', 'new', true)
  await files.unlink('/m/web.vbox')
  await files.rename('/m/tmp', '/m/web.vbox')
  t.same(await views(allCrashStates(files.recording()), settings), ['gone', 'new', 'old'])
})

t.test('unflushed writes may be there in any subset, and torn between sectors', async t => {
  const files = new RecordedFiles()
  await put(files, '/a', 'o'.repeat(2048), false)
  files.settle()
  const file = await files.open('/a', 'write')
  await file.write(Buffer.alloc(1024, 'x'), 0)
  await file.write(Buffer.alloc(1024, 'y'), 1024)
  const sectors = async (files: Files): Promise<string> => {
    const text = (await get(files, '/a')) ?? ''
    t.ok(/^((\w)\2{511}){4}$/.test(text), 'no sector is a mixture')
    return [0, 512, 1024, 1536].map(at => text[at]).join('')
  }
  const whole = await views(crashStates(files.recording(), { torn: false }), sectors)
  t.same(whole, ['oooo', 'ooyy', 'xxoo', 'xxyy'])
  const torn = await views(crashStates(files.recording(), { seed }), sectors)
  for (const view of ['oxyy', 'xoyy', 'ooyo', 'oooy', 'xxyo', 'xxoy']) t.ok(torn.includes(view), view)
  await file.sync()
  t.same(await views(crashStates(files.recording(), { seed }), sectors), ['xxyy'])
})

t.test('owner and length are as unsafe as bytes', async t => {
  const files = new RecordedFiles()
  await put(files, '/a', 'content', false)
  files.settle()
  const file = await files.open('/a', 'write')
  await file.truncate(3)
  await file.copyOwner({ ...(await file.stat()), mode: 0o644 })
  const look = async (files: Files): Promise<unknown> => {
    const stat = await files.stat('/a')
    return [stat?.size, stat?.mode]
  }
  t.same(await views(crashStates(files.recording()), look), [
    [3, 0o600],
    [3, 0o644],
    [7, 0o600],
    [7, 0o644],
  ])
})

t.test('a state is a file system of its own', async t => {
  const files = await withSettings()
  await put(files, '/m/a', 'a'.repeat(100_000), true)
  const recording = files.recording()
  const [first] = crashStates(recording, { at: 0 })
  const states = [...crashStates(recording)]
  t.same(
    states.map(({ files }) => files.entries.length),
    [0, 0],
  )
  for (const { files } of states) {
    if ((await files.stat('/m/a')) === undefined) await put(files, '/m/a', '', false)
    const file = await files.open('/m/a', 'write')
    await file.write(Buffer.alloc(200_000, 'z'), 0)
    await files.unlink('/m/web.vbox')
    t.ok([...allCrashStates(files.recording())].length > 3, 'and can be recorded again')
  }
  t.equal(await get(files, '/m/a'), 'a'.repeat(100_000))
  t.equal(first && (await get(first.files, '/m/web.vbox')), 'old')
  t.same(await views(crashStates(recording), files => get(files, '/m/web.vbox')), ['old'])
})

t.test('two names of one file survive as two names of one file', async t => {
  const files = await withSettings()
  await files.link('/m/web.vbox', '/m/web.vbox-prev')
  const seen = await views(crashStates(files.recording()), async files => {
    const [a, b] = [await files.stat('/m/web.vbox'), await files.stat('/m/web.vbox-prev')]
    return [a?.links, b !== undefined && a?.inode === b.inode]
  })
  t.same(seen, [
    [1, false],
    [2, true],
  ])
})

t.test('every moment: what all moments hold one by one is in allCrashStates()', async t => {
  const recording = await someRecording()
  const look = async (files: Files): Promise<unknown> =>
    Promise.all((await files.list('/m')).map(async name => [name, await get(files, `/m/${name}`)]))
  const options: CrashOptions = { torn: false, limit: 4096 }
  const oneByOne = new Set<string>()
  for (let at = 0; at <= recording.entries.length; at++) {
    for (const view of await views(crashStates(recording, { ...options, at }), look)) {
      oneByOne.add(JSON.stringify(view))
    }
  }
  const all = [...allCrashStates(recording, options)]
  const together = await views(all, look)
  t.same(
    together.map(view => JSON.stringify(view)),
    [...oneByOne].sort(),
  )
  const places = all.map(state => `${state.describe()}`)
  t.equal(new Set(places).size, places.length, 'none is built twice')
})

t.test('too many changes: samples hold none, all, each alone and each missing', async t => {
  const files = new RecordedFiles()
  await put(files, '/a', '.'.repeat(20), false)
  files.settle()
  const file = await files.open('/a', 'write')
  for (let i = 0; i < 20; i++) await file.write(Buffer.from('#'), i)
  const options = { limit: 200, torn: false, seed }
  const seen = await views(crashStates(files.recording(), options), files => get(files, '/a'))
  t.ok(seen.length > 100 && seen.length <= 200, `${seen.length} states`)
  t.ok(seen.includes('.'.repeat(20)) && seen.includes('#'.repeat(20)))
  for (let i = 0; i < 20; i++) {
    t.ok(seen.includes(`${'.'.repeat(i)}#${'.'.repeat(19 - i)}`), `only ${i}`)
    t.ok(seen.includes(`${'#'.repeat(i)}.${'#'.repeat(19 - i)}`), `all but ${i}`)
  }
  const again = await views(crashStates(files.recording(), options), files => get(files, '/a'))
  t.same(again, seen, 'the same seed gives the same states')
})

t.test('a state can be described', async t => {
  const files = await withSettings()
  await put(files, '/m/a', 'a'.repeat(2000), false)
  const texts = [...crashStates(files.recording(), { seed })].map(state => state.describe())
  t.ok(texts.includes('power failure after 2 changes\n+ create /m/a\n- write /m/a 0+2000'))
  t.ok(texts.includes('power failure after 2 changes\n+ create /m/a\n~ write /m/a 0+2000'))
})

t.test('thousands of states a second with files of megabytes', async t => {
  const files = new RecordedFiles()
  for (const name of ['/a', '/b', '/c', '/d']) {
    const file = await files.open(name, 'create')
    await file.write(new Uint8Array(2_000_000).fill(5), 0)
  }
  files.settle()
  const file = await files.open('/a', 'write')
  for (let i = 0; i < 11; i++) await file.write(new Uint8Array(131_072).fill(i), i * 131_072 + 512)
  const start = performance.now()
  let states = 0
  for (const _ of crashStates(files.recording(), { limit: 2048 })) states++
  const perSecond = Math.round((1000 * states) / (performance.now() - start))
  t.comment(`${perSecond} states a second`)
  t.ok(states > 2048 && perSecond > 200)
})

async function someRecording(): Promise<ReturnType<RecordedFiles['recording']>> {
  const files = await withSettings()
  await put(files, '/m/tmp', 'new', true)
  await files.link('/m/web.vbox', '/m/prev')
  await files.syncFolder('/m')
  await files.rename('/m/tmp', '/m/web.vbox')
  const file = await files.open('/m/web.vbox', 'write')
  await file.write(Buffer.from('NE'), 0)
  await files.unlink('/m/prev')
  await file.truncate(2)
  await files.syncFolder('/m')
  await put(files, '/m/tmp', 'again', false)
  await files.rename('/m/tmp', '/m/prev')
  return files.recording()
}
