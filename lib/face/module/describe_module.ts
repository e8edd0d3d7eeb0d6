import type { OptionDescription, OptionKind } from '../../options/describe_options.ts'
import { convertName } from '../../options/names.ts'
import { isPathOption, moduleOptions } from './module_arguments.ts'
import type { ModuleDescription } from './modules.ts'
import { RETURNS, type ReturnValue } from './returns.ts'

/** An option as Ansible's documentation has it. */
export interface OptionDocument {
  readonly description: readonly string[]
  readonly type: string
  readonly required?: boolean
  readonly choices?: readonly string[]
  readonly default?: string | number | boolean
}

/** What stands in the `.yml` beside a module. */
export interface ModuleDocument {
  readonly name: string
  readonly documentation: Readonly<Record<string, unknown>> & {
    readonly options: Readonly<Record<string, OptionDocument>>
  }
  readonly examples: string
  readonly returns: Readonly<Record<string, ReturnValue>>
}

/** Since which version of the collection. */
const VERSION_ADDED = '1.0.0'

/** Writes the documentation of a module; its options come from the schema of its operation. */
export function describeModule(module: ModuleDescription): ModuleDocument {
  const { name, summary, description, examples, kind } = module
  return {
    name,
    documentation: {
      module: name,
      short_description: summary,
      version_added: VERSION_ADDED,
      description,
      author: ['the vboxmerge contributors (@vboxmerge)'],
      requirements: ['Node.js 20 or newer on the host, on PATH or named by C(ansible_node_interpreter)'],
      options: describeModuleOptions(module),
      attributes: attributesOf(kind),
      notes: [
        'Runs as the user who owns the machine; the registry of VirtualBox is that of the user who runs.',
        'A limit of time that Ansible sets on a task does not stop the work; a second run waits for the first.',
      ],
    },
    examples: examples.trimStart(),
    returns: RETURNS[kind],
  }
}

function describeModuleOptions({ kind, operation }: ModuleDescription): Record<string, OptionDocument> {
  const options: Record<string, OptionDocument> = { machine: describeMachine(kind === 'ensure') }
  for (const option of moduleOptions(operation)) options[convertName(option.name, 'snake')] = describe(option)
  return options
}

function describeMachine(required: boolean): OptionDocument {
  const text =
    'Name or UUID of a registered machine, path of a C(.vbox) file, or of a folder that holds exactly one.'
  return {
    description: required ? [text] : [text, 'Without it all registered machines are read.'],
    type: 'str',
    ...(required ? { required } : {}),
  }
}

function describe(option: OptionDescription): OptionDocument {
  const { description, choices, defaultText } = option
  return {
    description: [
      sentence(description),
      ...(defaultText === undefined ? [] : [`Default is ${defaultText}.`]),
    ],
    type: typeOf(option),
    ...(choices.length > 0 ? { choices } : {}),
    ...(option.default === undefined ? {} : { default: option.default }),
  }
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

const TYPES: Readonly<Record<OptionKind, string>> = {
  boolean: 'bool',
  number: 'float',
  text: 'str',
  choice: 'str',
  amount: 'raw',
  text_or_false: 'raw',
  code: 'raw',
}

function typeOf({ name, kind, isWhole }: OptionDescription): string {
  if (isWhole) return 'int'
  return isPathOption(name) ? 'path' : TYPES[kind]
}

function attributesOf(kind: ModuleDescription['kind']): object {
  const reads = { details: ['It changes nothing.'] }
  return {
    check_mode: {
      description: 'Can run in check mode and say what it would change without changing it.',
      support: 'full',
      ...(kind === 'info' ? reads : {}),
    },
    diff_mode: {
      description: 'Returns what has changed, or would change in check mode, in diff mode.',
      ...(kind === 'info' ? { support: 'N/A', ...reads } : { support: 'full' }),
    },
  }
}
