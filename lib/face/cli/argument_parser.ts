import { Command, Option } from 'commander'
import { describeOptions, type OptionDescription, wantedValue } from '../../options/describe_options.ts'
import { convertName } from '../../options/names.ts'
import { OPTION_GROUPS } from '../../options/option_meta.ts'
import { BARE_COMMAND, COMMANDS, type CommandDescription, HELPERS } from './commands.ts'

/** Help texts fit a terminal of this many columns. */
export const HELP_COLUMNS = 80

/** Returns the options that can be written on a command line, those of the output last. */
export function commandLineOptions(command: CommandDescription): readonly OptionDescription[] {
  const written = [...describeOptions(command.operation), ...describeOptions('output')]
  return OPTION_GROUPS.flatMap(group =>
    written.filter(option => option.group === group && option.kind !== 'code'),
  )
}

/** Builds commander's parser for a command, which throws instead of ending the process, and prints nothing. */
export function buildParser(command: CommandDescription): Command {
  const parser = new Command(['vboxmerge', command.word].filter(Boolean).join(' '))
    .description(command.description)
    .usage(usageOf(command))
    .helpOption(false)
    .allowExcessArguments(true)
    .exitOverride()
    .configureOutput({ writeOut: () => {}, writeErr: () => {}, getOutHelpWidth: () => HELP_COLUMNS })
    .configureHelp({
      optionTerm,
      subcommandTerm: entry => entry.name(),
      visibleCommands: () => listed(command),
    })
  for (const option of commandLineOptions(command)) addOption(parser, option)
  parser.addOption(new Option('-h, --help', 'print this help').helpGroup(heading('output')))
  parser.addOption(new Option('--version', 'print the version').helpGroup(heading('output')))
  return parser.addHelpText('after', examplesOf(command))
}

/** Returns the help text of a command. */
export function helpText(command: CommandDescription): string {
  let text = ''
  const parser = buildParser(command).configureOutput({
    writeOut: piece => {
      text += piece
    },
  })
  parser.outputHelp()
  return text
}

function addOption(parser: Command, option: OptionDescription): void {
  const group = heading(option.group)
  const value = option.kind === 'boolean' ? '' : ` <${option.argument ?? 'VALUE'}>`
  const short = option.spellings?.filter(spelling => !spelling.startsWith('--')) ?? []
  const flags = [...short, `--${convertName(option.name, 'kebab')}${value}`].join(', ')
  parser.addOption(new Option(flags, describe(option)).helpGroup(group))
  for (const spelling of longSpellings(option)) parser.addOption(new Option(spelling + value).hideHelp())
  if (option.kind === 'text_or_false') {
    const none = `--no-${convertName(option.name, 'kebab')}`
    parser.addOption(new Option(none, `no snapshot counts as merged`).helpGroup(group))
  }
}

/** Returns the other long spellings of an option, with their dashes. */
export function longSpellings(option: OptionDescription): readonly string[] {
  return option.spellings?.filter(spelling => spelling.startsWith('--')) ?? []
}

function describe(option: OptionDescription): string {
  const notes = []
  if (option.choices.length > 0) notes.push(wantedValue(option))
  const byDefault = option.default === false ? undefined : (option.defaultText ?? option.default)
  if (byDefault !== undefined) notes.push(`default: ${byDefault}`)
  const others = longSpellings(option)
  if (others.length > 0) notes.push(`also ${others.join(', ')}`)
  const text = option.description.replace('; false for none', '')
  return notes.length > 0 ? `${text} (${notes.join('; ')})` : text
}

const EXIT_STATUSES = `Exit status:
  0    the machine is as wanted, or would be: work done, or nothing to do
  1    failed; the message says what state the machine is in
  2    the command line cannot be meant
  3    refused, with nothing changed
  130  interrupted; the same command finishes or undoes what was begun`

const READING_STATUSES = `Exit status:
  0    read
  1    failed
  2    the command line cannot be meant
  3    there is no such machine, or it cannot be read
  130  interrupted`

function optionTerm(option: Option): string {
  return option.flags.replace(/[<>]/g, '')
}

function usageOf(command: CommandDescription): string {
  if (command === BARE_COMMAND) return 'MACHINE [OPTIONS]\n       vboxmerge COMMAND ...'
  return command.takesMachine ? `${command.operand ?? 'MACHINE'} [OPTIONS]` : '[FOLDER...] [OPTIONS]'
}

function heading(group: string): string {
  return `${group.charAt(0).toUpperCase()}${group.slice(1)}:`
}

function listed(command: CommandDescription): Command[] {
  if (command !== BARE_COMMAND) return []
  return [...COMMANDS, ...HELPERS].map(entry => new Command(entry.word).description(entry.summary))
}

function examplesOf(command: CommandDescription): string {
  const lines = command.examples.map(([line, purpose]) => [`vboxmerge ${line}`, purpose] as const)
  const width = Math.max(...lines.map(([line]) => line.length))
  const more = command === BARE_COMMAND ? "\n\nOptions of a command: 'vboxmerge COMMAND --help'" : ''
  const status = command.takesMachine && command.operation !== 'info' ? EXIT_STATUSES : READING_STATUSES
  return `\nExamples:\n${lines.map(([line, purpose]) => `  ${line.padEnd(width)}  ${purpose}`).join('\n')}\n\n${status}${more}`
}
