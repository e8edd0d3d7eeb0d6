import t from 'tap'
import { spellOptions } from '../../lib/options/spell_options.ts'

t.test('options in a message are spelled as the reader types them', async t => {
  const cases: [message: string, kebab: string, snake: string][] = [
    ['choose branches=stop or x', 'choose --branches=stop or x', 'choose branches=stop or x'],
    ['with discardSavedState=true', 'with --discard-saved-state', 'with discard_saved_state=true'],
    ['raise lockTimeout; or', 'raise --lock-timeout; or', 'raise lock_timeout; or'],
    ['say so with vboxmanage=PATH', 'say so with --vboxmanage=PATH', 'say so with vboxmanage=PATH'],
    ['from=SNAPSHOT, or', '--from=SNAPSHOT, or', 'from=SNAPSHOT, or'],
  ]
  for (const [message, kebab, snake] of cases) {
    t.equal(spellOptions(message, 'kebab'), kebab)
    t.equal(spellOptions(message, 'snake'), snake)
  }
})

t.test('what is no option stays: words, names and paths, and what is spelled already', async t => {
  for (const message of [
    'the count of snapshots from here on',
    'the machine "lockTimeout=3 \\" branches=stop"',
    'Option --lock-timeout is "x"',
    '/vms/branches=stop/freeSpace',
    'engine "direct" cannot',
  ]) {
    t.equal(spellOptions(message, 'kebab'), message)
  }
})
