import t from 'tap'
import { coerceStrings } from '../../lib/options/coerce_strings.ts'
import { parseOptions } from '../../lib/options/parse_options.ts'

function coerced(key: string, value: unknown): unknown {
  return coerceStrings('golden', { [key]: value })[key]
}

t.test('the words of Ansible become booleans', async t => {
  for (const word of ['y', 'yes', 'on', '1', 'true', 't', 'YES', ' True ', 1, '1.0']) {
    t.equal(coerced('check', word), true, JSON.stringify(word))
  }
  for (const word of ['n', 'no', 'off', '0', 'false', 'f', 'No', 0, '0.0']) {
    t.equal(coerced('check', word), false, JSON.stringify(word))
  }
  t.equal(coerced('check', true), true)
  t.equal(coerced('check', 'perhaps'), 'perhaps', 'what is no such word is left to be refused')
})

t.test('strings of digits become numbers where a number is wanted', async t => {
  t.equal(coerced('skip', '3'), 3)
  t.equal(coerced('skip', '-1'), -1)
  t.equal(coerced('lockTimeout', '2.5'), 2.5)
  t.equal(coerced('minReclaim', '1048576'), 1048576)
  t.equal(coerced('minReclaim', '5%'), '5%')
  t.equal(coerced('skip', '3x'), '3x')
  t.equal(coerced('skip', ''), '', 'an empty string is not zero')
  t.equal(coerced('skip', '0x10'), '0x10')
})

t.test('names stay names', async t => {
  t.equal(coerced('snapshotName', '2026'), '2026')
  t.equal(coerced('snapshotName', 2026), '2026', 'YAML makes a number of it')
  t.equal(coerced('snapshotName', 'no'), 'no')
  t.equal(coerced('baseSnapshot', 'Base'), 'Base')
  t.equal(coerced('baseSnapshot', 7), '7')
  t.equal(coerced('baseSnapshot', 'f'), 'f')
  for (const none of ['false', 'No', 'off', false]) t.equal(coerced('baseSnapshot', none), false)
})

t.test('null means not given', async t => {
  t.strictSame(Object.keys(coerceStrings('merge', { skip: null, branches: null, count: 1 })), ['count'])
})

t.test('unknown options are kept for the message that names them', async t => {
  const input = JSON.parse('{"frob": null, "__proto__": {"check": true}}')
  const output = coerceStrings('merge', input)
  t.strictSame(Object.keys(output), ['frob', '__proto__'])
  t.equal(output.check, undefined, 'no key reaches a prototype')
  t.throws(() => parseOptions('merge', output), { code: 'invalid_options', message: /"__proto__"/ })
})
