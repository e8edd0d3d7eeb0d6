import { damagedGroup } from './problem.ts'

/** A list of the metadata. */
export type TextList = readonly (string | number)[]

/** A section of the metadata: `name { … }`. */
export type Section = ReadonlyMap<string, string | number | TextList | Section>

/** Metadata have a group, its volumes and their segments: three levels; twice that is no metadata. */
const DEEPEST = 8

/** In order: blanks and comments, a quoted string, a number, a name, a sign. */
const TOKEN = /(?:[\s\0]|#[^\n]*)*(?:"((?:[^"\\]|\\.)*)"|(-?\d+)(?![\w.+-])|([\w.+/-]+)|([{}[\]=,]))?/y

type Token =
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'name'; readonly value: string }
  | { readonly kind: 'sign'; readonly value: string }

/**
 * Parses the text in which LVM2 keeps the description of a group: sections, and keys with a number, a string or a
 * list of these.
 *
 * @throws {GuestProblem} When it is none, or a key stands in it twice.
 */
export function parseMetadata(text: string): Section {
  const tokens = tokensOf(text)
  let token = tokens.next().value
  const advance = (): void => {
    token = tokens.next().value
  }
  const isSign = (value: string): boolean => token?.kind === 'sign' && token.value === value
  const expect = (value: string): void => {
    if (!isSign(value)) throw damagedGroup(`its metadata lack a "${value}"`)
    advance()
  }
  const scalar = (): string | number => {
    if (token?.kind !== 'string' && token?.kind !== 'number') throw damagedGroup('its metadata lack a value')
    const { value } = token
    advance()
    return value
  }
  const list = (): TextList => {
    expect('[')
    const items: (string | number)[] = []
    while (!isSign(']')) {
      if (items.length > 0) expect(',')
      items.push(scalar())
    }
    expect(']')
    return items
  }
  const section = (depth: number): Section => {
    if (depth > DEEPEST) throw damagedGroup('its metadata are nested too deep')
    const entries = new Map<string, string | number | TextList | Section>()
    while (token && !isSign('}')) {
      if (token.kind !== 'name' && token.kind !== 'number') throw damagedGroup('its metadata lack a name')
      const name = String(token.value)
      if (entries.has(name)) throw damagedGroup(`its metadata have two entries "${name}"`)
      advance()
      if (isSign('{')) {
        advance()
        entries.set(name, section(depth + 1))
        expect('}')
      } else {
        expect('=')
        entries.set(name, isSign('[') ? list() : scalar())
      }
    }
    return entries
  }
  const whole = section(0)
  if (token) throw damagedGroup('its metadata have a "}" too many')
  return whole
}

/** Returns a whole number from 0 on. Throws a GuestProblem when it is not there. */
export function numberIn(section: Section, key: string): number {
  const value = section.get(key)
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw damagedGroup(`its metadata lack the number "${key}"`)
}

/** Returns a string. Throws a GuestProblem when it is not there. */
export function stringIn(section: Section, key: string): string {
  const value = section.get(key)
  if (typeof value === 'string') return value
  throw damagedGroup(`its metadata lack the text "${key}"`)
}

/** Returns a list; an empty one when there is none. */
export function listIn(section: Section, key: string): TextList {
  const value = section.get(key)
  if (value === undefined) return []
  if (Array.isArray(value)) return value
  throw damagedGroup(`its metadata have no list "${key}"`)
}

/** Returns the sections in a section by name; none when there is no such section. */
export function sectionsIn(section: Section, key: string): readonly (readonly [string, Section])[] {
  const value = section.get(key)
  if (value === undefined) return []
  if (!isSection(value)) throw damagedGroup(`its metadata have no section "${key}"`)
  return [...value].map(([name, inner]) => {
    if (!isSection(inner)) throw damagedGroup(`its metadata have no section "${name}"`)
    return [name, inner] as const
  })
}

/** Whether an entry is a section. */
export function isSection(value: unknown): value is Section {
  return value instanceof Map
}

function* tokensOf(text: string): Generator<Token, undefined> {
  for (let from = 0; ; ) {
    TOKEN.lastIndex = from
    const [whole = '', string, number, name, sign] = TOKEN.exec(text) ?? []
    from += whole.length
    if (string !== undefined) yield { kind: 'string', value: string.replace(/\\(.)/gs, '$1') }
    else if (number !== undefined) yield { kind: 'number', value: Number(number) }
    else if (name !== undefined) yield { kind: 'name', value: name }
    else if (sign !== undefined) yield { kind: 'sign', value: sign }
    else if (from === text.length) return undefined
    else throw damagedGroup('its metadata are no text of LVM2')
  }
}
