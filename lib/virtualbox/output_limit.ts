import { VboxmergeError } from '../errors.ts'

/** No answer of VBoxManage that is read here comes near to this many characters. */
const MOST_CHARACTERS = 32 * 1024 * 1024

/** Collects a stream of text without letting it grow over all bounds. */
export interface TextCollector {
  readonly add: (text: string) => void
  /**
   * The text so far.
   * @throws {VboxmergeError} `engine_failed` when there was more of it than is kept.
   */
  readonly text: () => string
}

/** Returns a collector of what `file` writes; what comes after the limit is read and dropped. */
export function collectText(file: string, limit: number = MOST_CHARACTERS): TextCollector {
  const pieces: string[] = []
  let length = 0
  return {
    add: text => {
      length += text.length
      if (length <= limit) pieces.push(text)
    },
    text: () => {
      if (length <= limit) return pieces.join('')
      throw new VboxmergeError(
        'engine_failed',
        `Cannot read the output of ${JSON.stringify(file)}: it is too long; see that it is VBoxManage (vboxmanage=PATH)`,
      )
    },
  }
}
