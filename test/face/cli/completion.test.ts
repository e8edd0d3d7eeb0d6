// Lets a real bash complete command lines with the script that the built program prints.
import { spawnSync } from 'node:child_process'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import t from 'tap'
import { COMMANDS } from '../../../lib/face/cli/commands.ts'
import { completeWords } from '../../../lib/face/cli/complete_words.ts'
import { realFiles } from '../../../lib/io/real_files.ts'
import { makeMachine } from '../../fixtures/machine_maker.ts'
import { temporaryFolder } from '../../fixtures/temporary_folder.ts'
import { runFake } from './fixtures/fake_surroundings.ts'

const cli = join(import.meta.dirname ?? '', '../../../dist/cli.js')
const hasBash = spawnSync('bash', ['-c', '[[ $BASH_VERSION = [4-9]* ]]']).status === 0

// As readline does: calls the function that is registered with the words of a line, of which the last is completed.
const COMPLETE = `
source <(vboxmerge completion bash) || exit 1
complete -p vboxmerge > /dev/null || exit 1
while IFS= read -r line; do
  IFS='|' read -r -a COMP_WORDS <<< "vboxmerge|$line|"
  COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
  _vboxmerge vboxmerge "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD-1]}"
  printf '%s|' "\${COMPREPLY[@]}"
  echo
done
`

async function machines(t: Parameters<typeof temporaryFolder>[0]) {
  const folder = await temporaryFolder(t)
  const home = join(folder, 'home')
  const spec = { layout: 'small', disks: [{}], snapshots: ['before update', 'tested'] } as const
  const entries: string[] = []
  for (const [seed, name] of ['My Machine', 'web', "it's"].entries()) {
    const made = await makeMachine(realFiles, join(folder, 'vms', name), { ...spec, name, seed: seed + 1 })
    entries.push(`<MachineEntry uuid="{${made.id}}" src="${made.settingsFile}"/>`)
  }
  await mkdir(home)
  await writeFile(
    join(home, 'VirtualBox.xml'),
    `<VirtualBox xmlns="http://www.virtualbox.org/" version="1.12-linux"><Global><MachineRegistry>${entries.join('')}` +
      '</MachineRegistry></Global></VirtualBox>',
  )
  return { folder, home }
}

t.test('words are completed by what can stand there', async t => {
  const { home } = await machines(t)
  const cases: [words: string[], expected: string[]][] = [
    [['merge', 'w'], ['web']],
    [['merge', 'My\\ M'], ['My Machine']],
    [['merge', '"My M'], ['My Machine']],
    [['merge', 'web', ''], []],
    [['merge', 'web', '--bra'], ['--branches']],
    [
      ['merge', 'web', '--branches', ''],
      ['refuse', 'stop', 'discard'],
    ],
    [['merge', 'web', '--branches', '=', 's'], ['stop']],
    [
      ['merge', 'web', '--branches', '='],
      ['refuse', 'stop', 'discard'],
    ],
    [['merge', 'web', '--branches=s'], ['--branches=stop']],
    [['merge', '--skip', '2', 'w'], ['web']],
    [
      ['merge', 'My\\ Machine', '--from', ''],
      ['before update', 'tested'],
    ],
    [['merge', 'web', '--from', '=', 't'], ['tested']],
    [['merge', 'nosuch', '--from', ''], []],
    [['--from', 'x', 'inf'], ['info']],
    [['info', '--', 'w'], ['web']],
    [['info', '--sk'], []],
    [['info', './x'], []],
    [['list', 'w'], []],
    [['completion', ''], ['bash']],
    [['merge', 'web', '--no-b'], ['--no-base-snapshot']],
    [['merge', 'web', '--vboxm'], ['--vboxmanage']],
  ]
  for (const [words, expected] of cases) {
    const all = ['vboxmerge', '--vbox-user-home', home, ...words]
    t.strictSame(await completeWords(all, all.length - 1), expected, words.join(' '))
  }
  const first = ['vboxmerge', `--vbox-user-home=${home}`, '']
  t.strictSame(await completeWords(first, 2), [
    ...COMMANDS.map(({ word }) => word),
    'completion',
    'help',
    'My Machine',
    "it's",
    'web',
  ])
})

t.test(
  'a real bash takes the answers, with names between quotes',
  { skip: !hasBash && 'no bash 4 on PATH' },
  async t => {
    const { folder, home } = await machines(t)
    await writeFile(join(folder, 'vboxmerge'), `#!/bin/sh\nexec "${process.execPath}" "${cli}" "$@"\n`)
    await chmod(join(folder, 'vboxmerge'), 0o755)
    const env = { ...process.env, PATH: `${folder}${delimiter}${process.env.PATH}`, VBOX_USER_HOME: home }
    const cases: [line: string, expected: string][] = [
      ['gol', 'golden|'],
      ['merge|', `My\\ Machine|it\\'s|web|`],
      ['merge|"My', 'My Machine|'],
      ['merge|web|--from|=|b', 'before\\ update|'],
      ['merge|web|--branches|=|', 'refuse|stop|discard|'],
      ['list|', '|'],
    ]
    const input = cases.map(([line]) => `${line}\n`).join('')
    const options = { cwd: folder, env, input, encoding: 'utf8' } as const
    const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-c', COMPLETE], options)
    t.strictSame([status, stderr], [0, ''])
    t.strictSame(
      stdout.trimEnd().split('\n'),
      cases.map(([, expected]) => expected),
    )
  },
)

t.test('whatever is wrong with a line, a key that was pressed gets no message', async t => {
  for (const args of [
    ['words', 'x'],
    ['words', '99', 'vboxmerge'],
    ['words', '2', 'vboxmerge', '--vbox-user-home'],
  ]) {
    const { status, stderr } = await runFake(['completion', ...args])
    t.strictSame([status, stderr], [0, ''])
  }
})
