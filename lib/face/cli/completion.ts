import { VboxmergeError } from '../../errors.ts'
import { completeWords } from './complete_words.ts'
import type { Surroundings } from './surroundings.ts'

const HELP = `Usage: vboxmerge completion bash

Prints a script with which bash completes command lines of vboxmerge: commands,
options and their values, names of registered machines and of snapshots.

Examples:
  source <(vboxmerge completion bash)   in this shell
  vboxmerge completion bash > ~/.local/share/bash-completion/completions/vboxmerge
                                        in every shell, with bash-completion
`

/**
 * The script only asks: what there is to complete is said by the program itself, so that it need not be made anew with
 * each version. Names are put between quotes, or behind the quote that was begun.
 */
const SCRIPT = `# Completes command lines of vboxmerge in bash: source <(vboxmerge completion bash)
_vboxmerge() {
  local word=\${COMP_WORDS[COMP_CWORD]} line
  COMPREPLY=()
  while IFS= read -r line; do
    case $word in
      [\\"\\']*) ;;
      *) printf -v line %q "$line" ;;
    esac
    COMPREPLY+=("$line")
  done < <("$1" completion words "$COMP_CWORD" "\${COMP_WORDS[@]}" 2>/dev/null)
}
complete -o bashdefault -o default -F _vboxmerge vboxmerge
`

/** Carries out the command \`completion\`. */
export async function runCompletion(
  args: readonly string[],
  { stdout }: Pick<Surroundings, 'stdout'>,
): Promise<void> {
  const [what, current, ...words] = args
  if (what === undefined || what === '--help' || what === '-h') {
    stdout.write(HELP)
  } else if (what === 'bash' && current === undefined) {
    stdout.write(SCRIPT)
  } else if (what === 'words') {
    // Whatever goes wrong, a key was pressed in the middle of a line: there is nothing to say.
    const found = await completeWords(words, Number(current)).catch(() => [])
    stdout.write(found.map(word => `${word}\n`).join(''))
  } else {
    throw new VboxmergeError(
      'invalid_options',
      `Cannot read the command line: ${JSON.stringify(what)} is no shell that is known; give bash\n` +
        'Try: vboxmerge completion --help',
    )
  }
}
