import t from 'tap'
import {
  alignColumns,
  escapeLines,
  escapeName,
  formatBytes,
  formatCount,
  textWidth,
  truncate,
} from '../../../lib/face/cli/text.ts'

t.test('characters that play tricks are written out', async t => {
  t.equal(escapeName('a\u001b[31mb'), 'a\\x1b[31mb')
  t.equal(escapeName('line\nfeed\r\t'), 'line\\x0afeed\\x0d\\x09')
  t.equal(escapeName('c1\u009b'), 'c1\\x9b')
  t.equal(escapeName('bidi\u202e\u2066'), 'bidi\\u202e\\u2066')
  t.equal(escapeName('half\ud83d'), 'half\\ud83d')
  t.equal(escapeName('Größe 日本 💾 "quoted" \\'), 'Größe 日本 💾 "quoted" \\', 'the rest stays')
  t.equal(escapeLines('a\u0007\nb'), 'a\\x07\nb')
})

t.test('bytes are written for people', async t => {
  t.equal(formatBytes(0), '0 B')
  t.equal(formatBytes(1023), '1023 B')
  t.equal(formatBytes(1024), '1.0 KiB')
  t.equal(formatBytes(1024 ** 2 - 1), '1.0 MiB', 'never 1024.0 KiB')
  t.equal(formatBytes(46 * 1024 ** 3), '46.0 GiB')
  t.equal(formatBytes(-1536), '-1.5 KiB')
  t.equal(formatBytes(Number.MAX_SAFE_INTEGER), '8.0 PiB')
})

t.test('nouns follow their number', async t => {
  t.strictSame(
    [0, 1, 2].map(count => formatCount(count, 'image')),
    ['0 images', '1 image', '2 images'],
  )
})

t.test('the width of a text counts columns', async t => {
  t.equal(textWidth('abc'), 3)
  t.equal(textWidth('日本'), 4)
  t.equal(textWidth('💾'), 2)
  t.equal(textWidth('e\u0301'), 1)
})

t.test('a long text is shortened to the columns there are', async t => {
  t.equal(truncate('abcdef', 6), 'abcdef')
  t.equal(truncate('abcdef', 5), 'abcd…')
  t.equal(truncate('日本語', 4), '日…')
  t.equal(truncate('abc', 1), '…')
  t.equal(truncate('abc', 0), '')
})

t.test('cells are lined up, figures to the right', async t => {
  const lines = alignColumns(
    [
      ['NAME', 'N', 'REST'],
      ['日本', '10', 'x'],
      ['a', '7', 'long one'],
    ],
    [1],
  )
  t.strictSame(lines, ['NAME   N  REST', '日本  10  x', 'a      7  long one'])
  t.strictSame(alignColumns([], []), [])
})
