import { spawnSync } from 'node:child_process'
import t from 'tap'
import { typedCommand } from '../../../lib/face/cli/typed_command.ts'

t.test('the command that carries a plan out is the same without the wish to only look', async t => {
  const cases: [string[], string][] = [
    [['web', '--check'], 'vboxmerge web'],
    [['-n', 'web', '--dryrun', '--dry-run'], 'vboxmerge web'],
    [['-nq', 'web'], 'vboxmerge -q web'],
    [['-q', 'web', '--compact'], 'vboxmerge -q web --compact'],
    [['--from', 'a b', 'web', '-n'], "vboxmerge --from 'a b' web"],
    [['merge', '-n', '--', '-n'], 'vboxmerge merge -- -n'],
    [['merge', 'Büro', '--check'], 'vboxmerge merge Büro'],
  ]
  for (const [args, expected] of cases) t.equal(typedCommand(args), expected)
})

t.test('a shell reads back what is printed', async t => {
  for (const word of ["it's", 'a b', '$HOME', '`x`', 'a\\b', '"q"', '*', '', '~', '!x', 'a;b']) {
    const line = typedCommand(['--', word]).replace('vboxmerge', "printf '%s|'")
    const { stdout } = spawnSync('sh', ['-c', line], { encoding: 'utf8' })
    t.equal(stdout, `--|${word}|`, word)
  }
})
