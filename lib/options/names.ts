/** How a name of several words is written: `skipIt`, `skip-it`, `skip_it`. */
export type NameStyle = 'camel' | 'kebab' | 'snake'

/** Writes a name, given in any of the three styles, in the wanted style. Digits belong to the word before them. */
export function convertName(name: string, style: NameStyle): string {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .split(/[-_]/)
  if (style === 'kebab') return words.join('-')
  if (style === 'snake') return words.join('_')
  return words.map((word, at) => (at === 0 ? word : word.charAt(0).toUpperCase() + word.slice(1))).join('')
}

/** Returns a copy of plain data whose keys, at every depth, are written in the wanted style; values stay. */
export function convertKeys(data: unknown, style: NameStyle): unknown {
  if (Array.isArray(data)) return data.map(item => convertKeys(item, style))
  if (typeof data !== 'object' || data === null) return data
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [convertName(key, style), convertKeys(value, style)]),
  )
}
