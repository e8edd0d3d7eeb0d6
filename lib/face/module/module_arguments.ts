import { VboxmergeError } from '../../errors.ts'
import { coerceStrings } from '../../options/coerce_strings.ts'
import { describeOptions, type OptionDescription } from '../../options/describe_options.ts'
import { convertName } from '../../options/names.ts'
import type { OperationName } from '../../options/operation_options.ts'
import { parseOptions } from '../../options/parse_options.ts'
import { suggest } from '../../options/suggest.ts'
import { expandHome } from './expand_home.ts'
import type { ModuleTask } from './module_task.ts'

/** What a module was asked for. */
export interface ModuleArguments {
  /** Undefined where a module may go without, and then means all machines. */
  readonly machine: string | undefined
  /** Only what was given, checked; the operation knows the defaults. Keys are camelCase. */
  readonly options: Readonly<Record<string, unknown>>
  readonly check: boolean
  readonly diff: boolean
}

/** Of all operations, the options whose values are paths on the host. */
const PATHS: ReadonlySet<string> = new Set(['vboxmanage', 'vboxUserHome', 'cloneFolder', 'backup', 'report'])

/** Unknown options that are told one by one. Looking for what is meant takes time. */
const MOST_NAMED = 20

/** Whether the value of an option is a path on the host, in which a leading `~` is the home folder. */
export function isPathOption(name: string): boolean {
  return PATHS.has(name)
}

/** The options that a module takes besides `machine`: check mode is Ansible's, functions cannot be written down. */
export function moduleOptions(operation: OperationName): readonly OptionDescription[] {
  return describeOptions(operation).filter(option => option.codeOnly !== true && option.name !== 'check')
}

/**
 * Reads the JSON object that a module is given: options in snake_case, in any of the forms that Ansible
 * hands them on in, and Ansible's own keys, which begin with `_ansible_`.
 *
 * @param home The folder that a leading `~` stands for.
 * @throws {VboxmergeError} `invalid_options`, naming every problem, one a line.
 */
export function readArguments(
  text: string,
  task: Pick<ModuleTask, 'kind' | 'operation'>,
  home: () => string,
): ModuleArguments {
  const entries = Object.entries(parseObject(text))
  const internal = new Map(entries.filter(([key]) => key.startsWith('_ansible_')))
  const given = new Map(entries.filter(([key]) => !key.startsWith('_ansible_')))
  const known = moduleOptions(task.operation)
  const names = new Map(known.map(option => [convertName(option.name, 'snake'), option.name]))
  const problems: string[] = []
  const unknown = [...given.keys()].filter(key => key !== 'machine' && !names.has(key))
  for (const key of unknown.slice(0, MOST_NAMED))
    problems.push(unknownOption(key, ['machine', ...names.keys()]))
  if (unknown.length > MOST_NAMED) {
    problems.push(`There are ${unknown.length - MOST_NAMED} more options that are unknown`)
  }
  const machine = machineOf(given.get('machine'), task.kind === 'ensure', problems)
  const options = optionsOf(task.operation, names, given, problems)
  if (problems.length > 0) throw new VboxmergeError('invalid_options', problems.join('\n'))
  for (const [name, value] of Object.entries(options)) {
    if (isPathOption(name) && typeof value === 'string') options[name] = expandHome(value, home)
  }
  return {
    machine: machine === undefined ? undefined : expandHome(machine, home),
    options,
    check: isOn(internal.get('_ansible_check_mode')),
    diff: isOn(internal.get('_ansible_diff')),
  }
}

function parseObject(text: string): object {
  let data: unknown
  try {
    data = JSON.parse(text)
  } catch (cause) {
    const found = text.trim() === '' ? 'there is no text' : (cause as Error).message
    throw new VboxmergeError('invalid_options', `Cannot read the arguments as JSON: ${found}`, { cause })
  }
  if (typeof data === 'object' && data !== null && !Array.isArray(data)) return data
  const found = Array.isArray(data) ? 'an array' : data === null ? 'null' : `a ${typeof data}`
  throw new VboxmergeError(
    'invalid_options',
    `Cannot read the arguments: they are ${found}; give a JSON object such as {"machine": "web"}`,
  )
}

function unknownOption(key: string, known: readonly string[]): string {
  const name = JSON.stringify(key.length > 60 ? `${key.slice(0, 60)}…` : key)
  if (key === 'check')
    return `Unknown option ${name}; use Ansible's check mode, {"_ansible_check_mode": true}`
  const near = suggest(key, known)
  const hint = near === undefined ? `there are: ${known.join(', ')}` : `did you mean "${near}"?`
  return `Unknown option ${name}; ${hint}`
}

function machineOf(value: unknown, isNeeded: boolean, problems: string[]): string | undefined {
  const wanted = 'give a registered name, a UUID, or the path of a .vbox file or of its folder'
  // A machine called 42 arrives as a number.
  const machine = typeof value === 'number' ? String(value) : (value ?? undefined)
  if (machine === undefined) {
    if (isNeeded) problems.push(`Option "machine" is missing; ${wanted}`)
    return undefined
  }
  if (typeof machine === 'string' && machine !== '') return machine
  const found =
    machine === '' ? 'empty' : Array.isArray(machine) ? 'an array' : `a value of type ${typeof machine}`
  problems.push(`Option "machine" is ${found}; ${wanted}`)
  return undefined
}

function optionsOf(
  operation: OperationName,
  names: ReadonlyMap<string, string>,
  given: ReadonlyMap<string, unknown>,
  problems: string[],
): Record<string, unknown> {
  const values: Record<string, unknown> = {}
  for (const [key, name] of names) if (given.has(key)) values[name] = given.get(key)
  const options = coerceStrings(operation, values)
  try {
    parseOptions(operation, options, 'snake')
  } catch (error) {
    if (!(error instanceof VboxmergeError)) throw error
    problems.push(error.message)
  }
  return options
}

/** Whatever is not plainly off is on: in doubt, nothing is to be written. */
function isOn(flag: unknown): boolean {
  const value = coerceStrings('golden', { check: flag }).check
  return value !== undefined && value !== false
}
