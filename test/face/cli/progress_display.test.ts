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

const bare = (text: string): string => text.replace('\r\u001b[K', '')

t.test(
  'elsewhere than on a terminal there is a line at the start, every half minute, and at the end',
  async t => {
    const moments = [
      [0, 0],
      [1000, 10],
      [29_999, 50],
      [30_000, 60],
      [31_000, 70],
      [60_000, 80],
      [60_001, 100],
    ] as const
    t.strictSame(
      shown(
        'lines',
        moments.map(([at, done]) => [at, done * MIB]),
      ),
      [
        'merge web.vdi: 0%\n',
        'merge web.vdi: 60%, 2.0 MiB/s\n',
        'merge web.vdi: 80%, 1.3 MiB/s\n',
        'merge web.vdi: 100%, 1.7 MiB/s\n',
      ],
    )
  },
)

t.test(
  'on a terminal one line is written over, ten times a second at most, and is gone at the end',
  async t => {
    const written = shown('bar', [
      [0, 0],
      [50, 10 * MIB],
      [100, 50 * MIB],
      [150, 60 * MIB],
    ])
    t.equal(written.length, 3)
    t.ok(written.every(text => text.startsWith('\r\u001b[K') && !text.includes('\n')))
    t.equal(bare(written[1] ?? ''), 'merge web.vdi  [##############..............]   50%  500.0 MiB/s')
    t.equal(written[2], '\r\u001b[K')
  },
)

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
  time = 1000
  show({ phase: 'merge', done: 2 * MIB, total: 4 * MIB })
  time = 2000
  show({ phase: 'merge', done: 4 * MIB, total: 4 * MIB })
  show({ phase: 'merge', subject: 'b' })
  show({ phase: 'snapshot', subject: 'c', done: 30, total: 100, unit: 'percent' })
  t.strictSame(written, [
    'scan a: 0%\n',
    'merge a: 50%\n',
    'merge a: 100%, 2.0 MiB/s\n',
    'merge b: 100%\n',
    'snapshot c: 30%\n',
  ])
})
