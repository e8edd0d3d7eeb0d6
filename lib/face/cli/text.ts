const UNSAFE =
  // Control characters, line separators, marks that turn the direction of text, the byte order mark.
  /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'] as const
const WIDE =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Emoji_Presentation}\uff01-\uff60]/u
const NARROWLESS = /[\p{Mn}\p{Me}\p{Cf}]/u

/** Writes out, as `\x1b` or `\u202e`, the characters of a name that could play tricks on a terminal. */
export function escapeName(name: string): string {
  return name.replace(UNSAFE, character => {
    const code = character.charCodeAt(0)
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`
  })
}

/** Like `escapeName`, for a text of several lines. */
export function escapeLines(text: string): string {
  return text.split('\n').map(escapeName).join('\n')
}

/** Puts a name between quotes, fit for a terminal. */
export function quote(name: string): string {
  return `"${escapeName(name)}"`
}

/** Writes a number of bytes for people: `46.0 GiB`. */
export function formatBytes(bytes: number): string {
  let value = Math.abs(bytes)
  let unit = 0
  while (value >= 1023.95 && unit < UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${bytes < 0 ? '-' : ''}${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`
}

/** Writes a number with its noun: `1 snapshot`, `13 snapshots`. */
export function formatCount(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** Returns how many columns of a terminal a text takes: two for wide characters, none for combining ones. */
export function textWidth(text: string): number {
  let width = 0
  for (const character of text) width += characterWidth(character)
  return width
}

/** Returns how many columns of a terminal a character takes. */
export function characterWidth(character: string): number {
  if (NARROWLESS.test(character)) return 0
  return WIDE.test(character) ? 2 : 1
}

/** Shortens a text to at most so many columns, its end replaced by an ellipsis of one column. */
export function truncate(text: string, columns: number, ellipsis = '…'): string {
  if (textWidth(text) <= columns) return text
  let width = 1
  let kept = ''
  for (const character of text) {
    width += characterWidth(character)
    if (width > columns) break
    kept += character
  }
  return columns < 1 ? '' : kept + ellipsis
}

/** Lines up cells in columns; the last column is not padded. `right` names the columns of figures. */
export function alignColumns(rows: readonly (readonly string[])[], right: readonly number[]): string[] {
  const columns = Math.max(0, ...rows.map(row => row.length))
  const widths = Array.from({ length: columns }, (_, at) =>
    Math.max(...rows.map(row => textWidth(row[at] ?? ''))),
  )
  return rows.map(row =>
    row
      .map((cell, at) => {
        const space = ' '.repeat((widths[at] ?? 0) - textWidth(cell))
        if (right.includes(at)) return space + cell
        return at === row.length - 1 ? cell : cell + space
      })
      .join('  '),
  )
}
