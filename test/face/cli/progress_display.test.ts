import t from 'tap'
import type { Progress } from '../../../lib/ensure/progress.ts'
import { createProgressDisplay, type ProgressMode } from '../../../lib/face/cli/progress_display.ts'
import { textWidth } from '../../../lib/face/cli/text.ts'

const MIB = 1024 ** 2

/** Shows moments `[milliseconds, done]` of one piece of work and returns what was written, a piece a write. */
function shown(
  mode: ProgressMode,
  moments: readonly (readonly [number, number])[],
  columns = 80,
  subject = 'web.vdi',
) {
  const written: string[] = []
  let time = 0
  const display = createProgressDisplay({ write: text => written.push(text), columns }, mode, () => time)
  for (const [at, done] of moments) {
    time = at
    display.show({ phase: 'merge', subject, done, total: 100 * MIB, unit: 'bytes' })
  }
  display.clear()
  return written
}

const bare = (text: string): string => text.replace('\r', '').replace('\u001b[K', '')

t.test(
  'elsewhere than on a terminal a line tells of work that takes long, then every half minute',
  async t => {
    const moments = [
      [0, 0],
      [1999, 10],
      [2000, 20],
      [31_999, 50],
      [32_000, 60],
      [33_000, 70],
      [62_000, 80],
      [62_001, 100],
    ] as const
    t.strictSame(
      shown(
        'lines',
        moments.map(([at, done]) => [at, done * MIB]),
      ),
      [
        'merge web.vdi: 20%, 10.0 MiB/s, 0:08 left\n',
        'merge web.vdi: 60%, 1.9 MiB/s, 0:22 left\n',
        'merge web.vdi: 80%, 1.3 MiB/s, 0:16 left\n',
        'merge web.vdi: 100%, 1.6 MiB/s\n',
      ],
    )
    t.strictSame(
      shown('lines', [
        [0, 0],
        [1500, 100 * MIB],
      ]),
      [],
      'what is over soon is told by its outcome',
    )
  },
)

t.test(
  'on a terminal one line is written over, ten times a second at most, and is gone at the end',
  async t => {
    const written = shown('bar', [
      [0, 0],
      [299, 5 * MIB],
      [300, 10 * MIB],
      [350, 15 * MIB],
      [400, 50 * MIB],
      [450, 60 * MIB],
    ])
    t.equal(written.length, 3)
    t.ok(
      written
        .slice(0, 2)
        .every(text => text.startsWith('\r') && text.endsWith('\u001b[K') && !text.includes('\n')),
    )
    t.equal(bare(written[1] ?? ''), 'merge web.vdi  [###########...........]   50%  125.0 MiB/s')
    t.equal(written[2], '\r\u001b[K', 'nothing is erased before it is written over')
  },
)

t.test(
  'a run of several pieces tells which one it is at, how far all is, and how long that takes',
  async t => {
    const written: string[] = []
    let time = 0
    const display = createProgressDisplay({ write: text => written.push(text) }, 'bar', () => time)
    const overall = { piece: 2, pieces: 3, share: 0.415, secondsLeft: 83 }
    for (time of [0, 1000]) {
      const done = 50 * MIB
      display.show({
        phase: 'merge',
        subject: '/vms/web/web.vdi',
        done,
        total: 100 * MIB,
        unit: 'bytes',
        overall,
      })
    }
    t.equal(
      bare(written.at(-1) ?? ''),
      '2/3 merge web.vdi  [###########...........]   50%  all 41%  1:23 left',
    )
  },
)

t.test('a window that was made narrower gets a shorter line', async t => {
  const written: string[] = []
  let time = 0
  const output = { columns: 80, write: (text: string) => written.push(text) }
  const display = createProgressDisplay(output, 'bar', () => time)
  for (const columns of [80, 80, 30]) {
    output.columns = columns
    display.show({ phase: 'merge', subject: 'web.vdi', done: time, total: 9000, unit: 'bytes' })
    time += 1000
  }
  t.equal(bare(written.at(-1) ?? ''), 'merge web.v…   22%  0:07 left')
  t.ok(textWidth(bare(written.at(-1) ?? '')) < 30)
})

t.test('nothing is shown when nothing is wanted', async t => {
  t.strictSame(
    shown('none', [
      [0, 0],
      [99_999, 100 * MIB],
    ]),
    [],
  )
})

t.test('the bar leaves the last column free, however narrow the terminal and long the name', async t => {
  for (const subject of ['web.vdi', 'x'.repeat(300), '日本'.repeat(50), 'e\u001b[2Jvil\n']) {
    for (let columns = 1; columns <= 140; columns++) {
      for (const text of shown(
        'bar',
        [
          [0, 0],
          [1000, 99 * MIB],
        ],
        columns,
        subject,
      )) {
        t.ok(
          textWidth(bare(text)) < columns || bare(text) === '',
          `${columns} columns: ${JSON.stringify(text)}`,
        )
        t.notMatch(bare(text), /\p{Cc}/u)
      }
    }
  }
})

t.test('another phase or subject begins anew, with its own rate', async t => {
  const written: string[] = []
  let time = 0
  const display = createProgressDisplay({ write: text => written.push(text) }, 'lines', () => time)
  const show = (progress: Partial<Progress>): void =>
    display.show({ phase: 'scan', subject: 'a', done: 0, total: 0, unit: 'bytes', ...progress })
  show({ done: 0, total: 4 * MIB })
  time = 40_000
  show({ phase: 'merge', done: 2 * MIB, total: 4 * MIB })
  time = 80_000
  show({ phase: 'merge', done: 3 * MIB, total: 4 * MIB })
  show({ phase: 'merge', done: 4 * MIB, total: 4 * MIB })
  show({ phase: 'merge', subject: 'b' })
  time = 120_000
  show({ phase: 'snapshot', subject: 'c', done: 30, total: 100, unit: 'percent' })
  t.strictSame(written, [
    'merge a: 50%\n',
    'merge a: 75%, 25.6 KiB/s, 0:40 left\n',
    'merge a: 100%, 51.2 KiB/s\n',
    'snapshot c: 30%\n',
  ])
})
