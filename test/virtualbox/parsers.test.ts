import t from 'tap'
import {
  isAtRest,
  isOff,
  isPassing,
  parseMachineList,
  parseMachineState,
} from '../../lib/virtualbox/machine_state.ts'
import { parseMediumInfo } from '../../lib/virtualbox/medium_info.ts'
import { printable } from '../../lib/virtualbox/printable.ts'
import { progressParser } from '../../lib/virtualbox/progress_parser.ts'
import { checkedUuid } from '../../lib/virtualbox/uuid.ts'
import { parseVersion, versionWarnings } from '../../lib/virtualbox/versions.ts'
import { stripWrapperWarning } from '../../lib/virtualbox/wrapper_warning.ts'

const ID = '875815e1-8a0b-4faf-af31-1baa4990dd01'
const OTHER = '4df518f4-ed59-45cd-903e-14402e72ca56'

function percents(...pieces: readonly string[]): number[] {
  const seen: number[] = []
  const read = progressParser(percent => seen.push(percent))
  for (const piece of pieces) read(piece)
  return seen
}

t.test('progressParser() reads the plain form, in any pieces', async t => {
  const line = '0%...10%...20%...30%...40%...50%...60%...70%...80%...90%...100%\n'
  const all = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
  for (let at = 0; at <= line.length; at += 1) {
    t.equal(percents(line.slice(0, at), line.slice(at)).at(-1), 100)
  }
  t.strictSame(percents(...line.split(/(?<=\.\.\.)/)), all)
  t.strictSame(percents('0%...10%...NS_ERROR_FAILURE\nVBoxManage: error: 99%...\n'), [10])
})

t.test('progressParser() reads detailed progress, and keeps to 100', async t => {
  t.strictSame(
    percents(
      "(1/3) Setting up 00% => 00% (-1 s remaining)\r(2/3) Merging medium '{a}' to 'b' 40% => 63% (2 s remaining)\r",
      "(3/3) Merging medium '{…}.vdi' to 'b.vdi' 100% => 133% (0 s remaining)\n",
    ),
    [0, 63, 100],
  )
  t.strictSame(percents("(2/3) Merging medium '% => 99% (x' to 'b' 1% => 7% (2 s remaining)\n"), [7])
})

t.test('parseMachineState() is not fooled by names and descriptions', async t => {
  const real = parseMachineState('name="web"\nVMState="poweroff"\nVMStateChangeTime="…"\n')
  t.strictSame(real.states, ['poweroff'])
  t.ok(isOff(real) && isAtRest(real))
  const running = parseMachineState('name="a\nVMState="poweroff"\n"\nVMState="running"\n')
  t.notOk(isOff(running), 'an imitated line does not hide the real one')
  t.notOk(isAtRest(running))
  const prefixed = parseMachineState('VMState="running"\r\nSnapshotDescription="VMState="poweroff""\r\n')
  t.strictSame(prefixed.states, ['running'])
  t.notOk(isOff(parseMachineState('')), 'no state is no permission')
  t.notOk(isOff({ states: ['paused'], settingsFiles: [] }))
  const saved = parseMachineState('VMState="saved"\n')
  t.ok(!isOff(saved) && isAtRest(saved))
  t.ok(isPassing({ states: ['deletingsnapshot'], settingsFiles: [] }))
  t.notOk(isPassing({ states: ['deletingsnapshot', 'poweroff'], settingsFiles: [] }))
})

t.test('parseMachineList() finds every machine, whatever the names are', async t => {
  const list = `"mä"x" {${ID}}\n"a" {${ID}}\n"b\nVMState="running"" {${OTHER.toUpperCase()}}\n<inaccessible> {${ID}}\n`
  t.strictSame(
    parseMachineList(list).map(({ id }) => id),
    [ID, ID, OTHER, ID],
  )
  t.equal(parseMachineList(list)[0]?.name, 'mä"x')
  t.strictSame(parseMachineList(''), [])
})

t.test('stripWrapperWarning() leaves what VBoxManage itself printed', async t => {
  const debian =
    'WARNING: The character device /dev/vboxdrv does not exist.\n\t Please install the package\n\n\t You will not.\n'
  const oracle =
    'WARNING: The vboxdrv kernel module is not loaded.\r\n         available\r\n\r\n           sudo x\r\n'
  t.equal(stripWrapperWarning(`${debian}7.2.22r1\n`), '7.2.22r1\n')
  t.equal(stripWrapperWarning(`${oracle}${debian}"a" {x}\n`), '"a" {x}\n')
  t.equal(stripWrapperWarning(debian), '')
  t.equal(stripWrapperWarning('name="x"\nWARNING: y\n'), 'name="x"\nWARNING: y\n')
})

t.test('parseVersion() reads every form', async t => {
  t.match(parseVersion('7.2.22_Debianr175245\n'), {
    major: 7,
    minor: 2,
    patch: 22,
    text: '7.2.22_Debianr175245',
  })
  t.match(parseVersion('5.2.44r139111\r\n'), { major: 5, minor: 2, patch: 44 })
  t.match(parseVersion('WARNING: /dev/vboxdrv\n6.1.50_Ubuntur161033\n'), { major: 6, minor: 1, patch: 50 })
  t.equal(parseVersion('command not found'), undefined)
})

t.test('versionWarnings() warns of zero blocks before 7.2.18, with differencing images only', async t => {
  const codes = (text: string, differencing = true): string[] => {
    const version = parseVersion(text)
    return version === undefined ? ['?'] : versionWarnings(version, differencing).map(({ code }) => code)
  }
  t.strictSame(codes('7.2.16r1'), ['zero_blocks_bug'])
  t.strictSame(codes('7.2.16r1', false), [])
  t.strictSame(codes('6.1.50r1'), ['zero_blocks_bug'])
  t.strictSame(codes('7.10.0r1'), [])
  t.strictSame(codes('7.2.18r1'), [])
  t.strictSame(codes('8.0.0r1'), [])
  t.strictSame(codes('4.3.40r1'), ['old_virtualbox', 'zero_blocks_bug'])
})

t.test('parseMediumInfo() says what is wrong with an image', async t => {
  t.match(parseMediumInfo('UUID:  x\nState:          created\nLocation: /a\nState: inaccessible\n'), {
    accessible: true,
  })
  t.match(parseMediumInfo('UUID:  x\nState:          inaccessible\nAccess Error:   gone\u001b\n'), {
    accessible: false,
    problem: 'gone\\x1b',
  })
})

t.test('printable() escapes what a terminal would obey', async t => {
  t.equal(printable('a\nb\r\t\u0000\u007f\u009b\u2028ü😀 "'), 'a\\nb\\r\\t\\x00\\x7f\\x9b\\u2028ü😀 "')
})

t.test('checkedUuid() lets only UUIDs through', async t => {
  t.equal(checkedUuid(ID.toUpperCase()), ID)
  for (const bad of [
    '',
    'web',
    '--help',
    `{${ID}}`,
    `${ID} `,
    `${ID}\n`,
    '00000000-0000-0000-0000-000000000000',
  ]) {
    t.throws(() => checkedUuid(bad), TypeError, JSON.stringify(bad))
  }
})
