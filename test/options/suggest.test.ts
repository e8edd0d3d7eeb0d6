import t from 'tap'
import { suggest } from '../../lib/options/suggest.ts'

const NAMES = ['skip', 'count', 'freeSpace', 'branches', 'from']

t.test('a mistyped word is recognised', async t => {
  t.equal(suggest('braches', NAMES), 'branches', 'a letter too few')
  t.equal(suggest('skiip', NAMES), 'skip', 'a letter too many')
  t.equal(suggest('cuont', NAMES), 'count', 'two letters swapped')
  t.equal(suggest('frob', NAMES), 'from', 'a wrong letter')
})

t.test('the style of a name does not matter', async t => {
  t.equal(suggest('free_space', NAMES), 'freeSpace')
  t.equal(suggest('FREE-SPACE', NAMES), 'freeSpace')
})

t.test('a word that is like none gets no suggestion', async t => {
  t.equal(suggest('frobnicate', NAMES), undefined)
  t.equal(suggest('', NAMES), undefined)
  t.equal(suggest('x'.repeat(1_000_000), NAMES), undefined, 'however long it is')
  t.equal(suggest('skip', []), undefined)
})
