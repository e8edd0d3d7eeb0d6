import t from 'tap'
import { textWidth } from '../../../lib/face/cli/text.ts'
import { wrap } from '../../../lib/face/cli/wrap.ts'

t.test('a line is broken between words, and its first indentation kept', async t => {
  t.strictSame(wrap('one two three', 20), ['one two three'])
  t.strictSame(wrap('  one two three', 9, '    '), ['  one two', '    three'])
  t.strictSame(wrap('', 10), [''])
})

t.test('no line is wider than asked for, and no character is lost', async t => {
  const text = '  kept: /a/very/long/path/without/a/space 日本語日本語日本語 and more words'
  for (let columns = 6; columns < 90; columns++) {
    const lines = wrap(text, columns, '    ')
    t.ok(
      lines.every(line => textWidth(line) <= columns),
      `${columns} columns`,
    )
    t.equal(lines.join('').replace(/ /g, ''), text.replace(/ /g, ''))
  }
})
