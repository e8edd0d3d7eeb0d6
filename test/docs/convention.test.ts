// The rules by which pages are read: a rule that let everything pass would make the other tests worth nothing.
import t from 'tap'
import { asOnTerminal, isShown, shownAnew, shownCommands } from './fixtures/console_block.ts'
import { readMachineNote } from './fixtures/machine_note.ts'
import { noteOf, type Page, partsOf, withTexts } from './fixtures/pages.ts'
import { plainWords } from './fixtures/scene.ts'

t.test('what differs by a letter is not shown', async t => {
  t.ok(isShown('one\ntwo', 'one\ntwo\n'))
  t.notOk(isShown('one\ntwo', 'one\ntwo\nthree\n'))
  t.notOk(isShown('one\ntwo', 'one\n'))
  t.notOk(isShown('1.0 MiB', '1x0 MiB'))
  t.notOk(isShown('', 'one\n'))
})

t.test('… stands for any characters in a line, and alone for any lines', async t => {
  t.ok(isShown('id …, state', 'id 12-34, state'))
  t.notOk(isShown('id …, state', 'id 12\n34, state'))
  t.ok(isShown('one\n…\nfour', 'one\ntwo\nthree\nfour'))
  t.ok(isShown('one\n…\nfour', 'one\nfour'))
  t.notOk(isShown('one\n…\nfour', 'one\ntwo\nfive'))
})

t.test('where a line is wrapped does not matter', async t => {
  t.ok(isShown('one two three', 'one\n  two three\n'))
  t.ok(isShown('one two\n  three', 'one\n  two three\n'))
  t.ok(isShown('a …/b: c\n  d', 'a\n  /x/y/b: c d\n'))
  t.notOk(isShown('one two', 'one\ntwo\n'))
  t.notOk(isShown('one  two', 'one two\n'))
  t.notOk(isShown('one\n  two', 'one\n    two\n'))
})

t.test('a block is commands with their output', async t => {
  t.same(shownCommands('$ a "b" \\\n    --c\nx\ny\n\n$ d'), [
    { typed: ['$ a "b" \\', '    --c'], command: 'a "b" --c', output: 'x\ny' },
    { typed: ['$ d'], command: 'd', output: '' },
  ])
  t.throws(() => shownCommands('x\n$ a'), /"x" stands before the first command/)
})

t.test('a block that is written anew keeps what fits, and leaves open what varies', async t => {
  const commands = shownCommands('$ a\nid …\n$ b\nold')
  const printed = ['id 5\n', '{11111111-2222-3333-4444-555555555555} in /tmp/x/web\n']
  t.equal(shownAnew(commands, printed, '/tmp/x'), '$ a\nid …\n$ b\n{…} in …/web')
})

t.test('what was left out is left out of the new text too, where its neighbours are still there', async t => {
  const anew = (shown: string, printed: string): string =>
    shownAnew(shownCommands(`$ a\n${shown}`), [printed], '/tmp/x').slice(4)
  t.equal(anew('one\n…\nfour\nold', 'one\ntwo\nthree\nfour\nnew\n'), 'one\n…\nfour\nnew')
  t.equal(anew('one\n…\nfour\nold', '  one\n  two\n  three\n  four\nnew\n'), '  one\n  …\n  four\nnew')
  t.equal(anew('a\n\nb\n\n…', 'A\n\nb\n\nc\n'), 'A\n\nb\n\n…')
  t.equal(anew('old\none\n…', 'new\none\ntwo\nthree\n'), 'new\none\n…')
  t.equal(anew('one\n…\ngone', 'one\ntwo\nthree\n'), 'one\ntwo\nthree')
})

t.test('a progress bar that was erased is not shown', async t => {
  t.equal(asOnTerminal('\r\u001b[Kscan 1%\r\u001b[Kscan 100%\r\u001b[Kdone\nnext\n'), 'done\nnext\n')
})

t.test('comments above a block are about it, those further up are not', async t => {
  const parts = partsOf('<!-- run: a -->\n\ntext\n\n<!-- run: b -->\n\n```sh\nx\n```\n')
  const [, , fence] = parts
  t.same(
    parts.map(({ kind, line }) => [kind, line]),
    [
      ['note', 1],
      ['note', 5],
      ['fence', 7],
    ],
  )
  t.equal(fence?.kind === 'fence' && noteOf(fence, 'run'), 'b')
  t.throws(() => partsOf('```sh\nx\n'), /line 1 is not closed/)
})

t.test('blocks get their new text in their place', async t => {
  const text = '1. a\n\n   ```console\n   $ x\n   old\n   ```\n\nb\n'
  const page: Page = { path: 'x.md', text, parts: partsOf(text) }
  t.equal(withTexts(page, new Map([[3, '$ x\nnew\nmore']])), text.replace('   old', '   new\n   more'))
})

t.test('a comment asks for a machine', async t => {
  const { name, snapshots, current, guest, zeros } = readMachineNote('my web; a > b > c; a > d; guest')
  t.same([name, current, guest, zeros], ['my web', 'c', true, 0])
  t.same(snapshots, [{ name: 'a' }, { name: 'b', on: 'a' }, { name: 'c', on: 'b' }, { name: 'd', on: 'a' }])
  t.equal(readMachineNote('web; 13 snapshots').current, 'day 13')
  t.equal(readMachineNote('web; "Base"').snapshots.length, 1)
  t.equal(readMachineNote('web').current, undefined)
  t.throws(() => readMachineNote('web; gest'), /"gest" of "web; gest" has no meaning/)
})

t.test('only what asks nothing of a shell is run without one', async t => {
  t.same(plainWords('vboxmerge info "My Machine" --engine=direct'), [
    'vboxmerge',
    'info',
    'My Machine',
    '--engine=direct',
  ])
  for (const command of ['vboxmerge list | head', 'vboxmerge list > x', 'vboxmerge info "$X"', "echo 'a"]) {
    t.equal(plainWords(command), undefined, command)
  }
})
