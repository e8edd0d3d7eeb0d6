import t from 'tap'
import { convertKeys, convertName } from '../../lib/options/names.ts'

t.test('a name is written in each style, from each style', async t => {
  const spellings = {
    camel: 'discardCurrentState',
    kebab: 'discard-current-state',
    snake: 'discard_current_state',
  }
  for (const from of Object.values(spellings)) {
    t.equal(convertName(from, 'camel'), spellings.camel)
    t.equal(convertName(from, 'kebab'), spellings.kebab)
    t.equal(convertName(from, 'snake'), spellings.snake)
  }
})

t.test('digits and single words stay together', async t => {
  t.equal(convertName('sha256', 'snake'), 'sha256')
  t.equal(convertName('vboxmanage', 'kebab'), 'vboxmanage')
  t.equal(convertName('mtimeNs', 'snake'), 'mtime_ns')
})

t.test('keys are converted at every depth, values never', async t => {
  const data = { stepsDone: 1, someList: [{ readBytes: 2, name: 'keepMe' }], nothing: null, yes: true }
  t.strictSame(convertKeys(data, 'snake'), {
    steps_done: 1,
    some_list: [{ read_bytes: 2, name: 'keepMe' }],
    nothing: null,
    yes: true,
  })
})
