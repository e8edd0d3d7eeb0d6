import { describeOptions, type OptionKind } from './describe_options.ts'
import type { OperationName } from './operation_options.ts'

const TRUE_WORDS = new Set(['y', 'yes', 'on', '1', 'true', 't', '1.0'])
const FALSE_WORDS = new Set(['n', 'no', 'off', '0', 'false', 'f', '0.0'])
/** Shorter than the list for booleans, because a snapshot may well be called `0` or `f`. */
const NO_NAME_WORDS = new Set(['false', 'no', 'off'])

/**
 * Turns the strings of command lines and of Ansible into the values that the schema of an operation
 * asks for: `yes` into true, `"3"` into 3. Null means "not given" and leaves the option out. What cannot
 * be turned stays as it is, and so do unknown options: `parseOptions` names them all. Keys are camelCase.
 */
export function coerceStrings(
  operation: OperationName | 'output',
  input: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const kinds = new Map(describeOptions(operation).map(option => [option.name, option.kind]))
  // Without a prototype, a key named __proto__ stays a key, and is refused as unknown later.
  const output: Record<string, unknown> = Object.create(null)
  for (const [key, value] of Object.entries(input)) {
    const kind = kinds.get(key)
    if (kind === undefined) output[key] = value
    else if (value !== null) output[key] = coerce(kind, value)
  }
  return output
}

function coerce(kind: OptionKind, value: unknown): unknown {
  switch (kind) {
    case 'boolean':
      return toBoolean(value)
    case 'number':
    case 'amount':
      return toNumber(value)
    case 'text':
      return typeof value === 'number' ? String(value) : value
    case 'text_or_false':
      return toNameOrFalse(value)
    default:
      return value
  }
}

function toBoolean(value: unknown): unknown {
  if (typeof value !== 'string' && typeof value !== 'number') return value
  const word = String(value).trim().toLowerCase()
  if (TRUE_WORDS.has(word)) return true
  return FALSE_WORDS.has(word) ? false : value
}

function toNumber(value: unknown): unknown {
  return typeof value === 'string' && /^[+-]?\d+(\.\d+)?$/.test(value.trim()) ? Number(value) : value
}

function toNameOrFalse(value: unknown): unknown {
  if (typeof value === 'number') return String(value)
  return typeof value === 'string' && NO_NAME_WORDS.has(value.trim().toLowerCase()) ? false : value
}
