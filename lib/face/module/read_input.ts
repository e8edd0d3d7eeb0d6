import { VboxmergeError } from '../../errors.ts'
import type { ModuleSurroundings } from './module_surroundings.ts'

/** Bytes. Nobody means more than this as options. */
const INPUT_LIMIT = 16 * 2 ** 20

/**
 * Reads the text that says what a module is to do: from the file that its argument names, as Ansible calls
 * it, or from standard input.
 *
 * @throws {VboxmergeError} `invalid_options` when there is nothing to read from, or too much.
 */
export async function readInput({ args, stdin, readFile }: ModuleSurroundings): Promise<string> {
  const [path, extra] = args
  if (extra !== undefined) {
    throw refuse(`${args.length} arguments were given; give the name of one JSON file, or none`)
  }
  if (path !== undefined) return await collect(`the file ${JSON.stringify(path)}`, () => readFile(path))
  if (stdin().isTTY === true) {
    throw refuse('standard input is a terminal; name a JSON file, or pipe the JSON in')
  }
  return await collect('standard input', stdin)
}

async function collect(what: string, open: () => AsyncIterable<Uint8Array | string>): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const pieces: string[] = []
  let length = 0
  try {
    for await (const piece of open()) {
      length += piece.length
      if (length > INPUT_LIMIT) throw new RangeError(`it has more than ${INPUT_LIMIT} bytes`)
      pieces.push(typeof piece === 'string' ? piece : decoder.decode(piece, { stream: true }))
    }
    return pieces.join('') + decoder.decode()
  } catch (error) {
    throw refuse(`${what}: ${error instanceof Error ? error.message : error}`, error)
  }
}

function refuse(found: string, cause?: unknown): VboxmergeError {
  return new VboxmergeError('invalid_options', `Cannot read the arguments: ${found}`, { cause })
}
