import { escapeName } from './text.ts'

const CHECK_FLAGS = new Set(['--check', '--dryrun', '--dry-run'])
const PLAIN = /^[\p{L}\p{N}_./:=@%+,-]+$/u

/** Returns a command line as one types it, without the wish that nothing is done. */
export function typedCommand(args: readonly string[]): string {
  const end = args.indexOf('--')
  const words = args.flatMap((word, at) => (end >= 0 && at >= end ? [word] : withoutCheck(word)))
  return ['vboxmerge', ...words.map(shellQuote)].join(' ')
}

function withoutCheck(word: string): string[] {
  if (CHECK_FLAGS.has(word)) return []
  // Short options can stand together: -nq.
  if (!/^-[a-z]*n[a-z]*$/.test(word)) return [word]
  const rest = word.replace('n', '')
  return rest === '-' ? [] : [rest]
}

/** Puts quotes around a word of which a shell would make something else. */
export function shellQuote(word: string): string {
  const shown = escapeName(word)
  return PLAIN.test(shown) ? shown : `'${shown.replaceAll("'", String.raw`'\''`)}'`
}
