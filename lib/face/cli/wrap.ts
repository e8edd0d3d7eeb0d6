import { characterWidth, textWidth } from './text.ts'

/**
 * Breaks a line between words where it is wider than so many columns; a word that is wider is cut. The lines after the
 * first begin with `indent`.
 */
export function wrap(line: string, columns: number, indent = ''): string[] {
  const lead = /^ */.exec(line)?.[0] ?? ''
  const lines: string[] = []
  let current = lead
  let isEmpty = true
  const flush = (): void => {
    lines.push(current.trimEnd())
    current = indent
    isEmpty = true
  }
  for (const word of line.slice(lead.length).split(' ')) {
    let rest = word
    const width = textWidth(current) + (isEmpty ? 0 : 1) + textWidth(rest)
    if (!isEmpty && width > columns) flush()
    while (textWidth(current) + textWidth(rest) > columns && isEmpty) {
      const piece = head(rest, Math.max(1, columns - textWidth(current)))
      current += piece
      rest = rest.slice(piece.length)
      flush()
    }
    current += isEmpty ? rest : ` ${rest}`
    isEmpty = false
  }
  return [...lines, current]
}

/** The beginning of a text that takes at most so many columns, and at least one character. */
function head(text: string, columns: number): string {
  let width = 0
  let kept = ''
  for (const character of text) {
    width += characterWidth(character)
    if (kept !== '' && width > columns) break
    kept += character
  }
  return kept
}
