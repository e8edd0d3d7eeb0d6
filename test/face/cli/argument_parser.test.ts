import t from 'tap'
import {
  commandLineOptions,
  HELP_COLUMNS,
  helpText,
  longSpellings,
} from '../../../lib/face/cli/argument_parser.ts'
import { BARE_COMMAND, COMMANDS } from '../../../lib/face/cli/commands.ts'
import { convertName } from '../../../lib/options/names.ts'
import { matchesFile } from './fixtures/matches_file.ts'

for (const command of [BARE_COMMAND, ...COMMANDS]) {
  const name = command.word ?? 'the bare form'

  t.test(`the help of ${name} fits a terminal`, async t => {
    const lines = helpText(command).split('\n')
    t.strictSame(
      lines.filter(line => line.length > HELP_COLUMNS),
      [],
    )
    t.strictSame(
      lines.filter(line => line !== line.trimEnd()),
      [],
    )
  })

  t.test(`the help of ${name} names every option with every spelling`, async t => {
    const text = helpText(command)
    const options = commandLineOptions(command)
    t.ok(options.length > 4)
    for (const option of options) {
      for (const spelling of [`--${convertName(option.name, 'kebab')}`, ...longSpellings(option)]) {
        t.ok(text.includes(spelling), spelling)
      }
    }
  })
}

t.test('the help of the bare form is as it was approved', async t => {
  matchesFile(t, new URL('fixtures/help.txt', import.meta.url), helpText(BARE_COMMAND), 'help.txt')
})

t.test('the help of merge is as it was approved', async t => {
  const [merge = BARE_COMMAND] = COMMANDS
  matchesFile(t, new URL('fixtures/help_merge.txt', import.meta.url), helpText(merge), 'help_merge.txt')
})

t.test('the help says what this version does with free space', async t => {
  t.match(
    helpText(BARE_COMMAND).replace(/\s+/g, ' '),
    /its engine refuses discard when asked for, and without the option works as keep/,
  )
})
