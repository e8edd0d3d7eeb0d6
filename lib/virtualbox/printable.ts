/**
 * Returns text that a terminal or a log can show safely: line ends and control characters as escapes, and the
 * characters that turn the direction of writing around, too. Names and texts of VirtualBox may hold them.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, escapeOf)
}

function escapeOf(character: string): string {
  const short = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[character]
  const code = character.charCodeAt(0).toString(16)
  return short ?? (code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`)
}
