// Someone comes between the plan and the first write.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdir, open, readFile, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { ensureWanted } from '../../lib/ensure/ensure_wanted.ts'
import { realEnsureHost } from '../../lib/ensure/host.ts'
import { wantedCompaction, wantedMerge, wantedSnapshot } from '../../lib/ensure/wanted_parts.ts'
import { interceptedFiles } from '../../lib/io/intercepted_files.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { parseOptions } from '../../lib/options/parse_options.ts'
import { hasCode } from '../fixtures/has_code.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import { fingerprintsOf, zeroBlock } from '../fixtures/observed_machine.ts'
import { quickFolder } from '../fixtures/quick_folder.ts'
import { some } from '../fixtures/test_run.ts'

/** What someone does, and what is said of it. */
interface Visit {
  readonly name: string
  readonly message: RegExp
  readonly skip?: false | string
  come(t: Test, made: MadeMachine, home: string): Promise<unknown>
}

const visits: readonly Visit[] = [
  {
    name: 'changes the settings',
    message: /another program changed ".*web\.vbox" while this run was about to begin; close/,
    come: async (_, { settingsFile }) => {
      const text = await readFile(settingsFile, 'utf8')
      await writeFile(settingsFile, text.replace('name="web"', 'name="wob"'))
    },
  },
  {
    name: 'writes to an image',
    message: /another program changed ".*\.vdi" while/,
    come: async (_, { images }) => {
      const path = images.at(-1)?.path ?? ''
      await appendFile(path, 'x')
      await utimes(path, 1, 1)
    },
  },
  {
    name: 'starts it, so that an image is open',
    message: /"\S*disk0\.vdi" is open in "sleep" \(process \d+\); close that program/,
    skip: process.platform !== 'linux' && 'who has a file open is known on Linux only',
    come: async (t, { images }) => {
      const file = await open(images[0]?.path ?? '', 'r')
      const child: ChildProcess = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', file.fd] })
      await once(child, 'spawn')
      await file.close()
      t.teardown(async () => {
        child.kill('SIGKILL')
        await once(child, 'close')
      })
    },
  },
  {
    name: 'registers it',
    message: /it was registered with VirtualBox while this run was about to begin/,
    come: async (_, { id, settingsFile }, home) => {
      const entry = `<MachineEntry uuid="{${id}}" src="${settingsFile}"/>`
      const inside = `<Global><MachineRegistry>${entry}</MachineRegistry></Global>`
      const attributes = 'xmlns="http://www.virtualbox.org/" version="1.12-linux"'
      await writeFile(join(home, 'VirtualBox.xml'), `<VirtualBox ${attributes}>${inside}</VirtualBox>`)
    },
  },
]

const operations = ['compact', 'merge', 'snapshot'] as const
for (const operation of some(operations, 2)) {
  for (const { name, message, skip = false, come } of visits) {
    t.test(`${operation} changes nothing when someone ${name} in the last moment`, { skip }, async t => {
      const folder = await quickFolder(t)
      const home = join(folder, 'home')
      await mkdir(home)
      const snapshots = operation === 'merge' ? ['one'] : []
      const made = await makeMachine(realFiles, join(folder, 'web'), {
        disks: [{ content: { base: { 0: 1, 1: 2 }, one: { 0: 1, 1: 2 } } }],
        snapshots,
      })
      if (operation === 'compact') await zeroBlock(made.images[0]?.path ?? '', 0)
      let left: Record<string, string> | undefined
      const files = interceptedFiles(realFiles, async (call, run) => {
        const isLast = call.operation === 'syncFolder' && call.path === dirname(made.settingsFile)
        const result = await run()
        // Compaction alone prepares no settings before it begins.
        const last = operation === 'compact' ? 'journal' : 'second'
        const isPrepared = (await realFiles.stat(`${made.settingsFile}.vboxmerge-${last}`)) !== undefined
        if (isLast && isPrepared && left === undefined) {
          left = {}
          await come(t, made, home)
          left = await fingerprintsOf(folder)
        }
        return result
      })
      const options = parseOptions('golden', { vboxUserHome: home, lockTimeout: 60 })
      const wanted = {
        merged: operation === 'merge' ? wantedMerge(options) : undefined,
        compacted: operation === 'compact' ? wantedCompaction(options) : undefined,
        baseSnapshot: operation === 'snapshot' ? wantedSnapshot(options) : undefined,
        discardSavedState: false,
      }
      const running = ensureWanted(made.settingsFile, wanted, options, { ...realEnsureHost, files })
      await t.rejects(running, hasCode('machine_locked', message))
      const ours = Object.entries(left ?? {}).filter(([path]) => !path.includes('.vboxmerge-'))
      t.ok(ours.length > 2)
      t.strictSame(await fingerprintsOf(folder), Object.fromEntries(ours))
    })
  }
}
