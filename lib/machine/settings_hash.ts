import { createHash } from 'node:crypto'
import type { Files } from '../io/files.ts'
import { readPieces } from '../io/read_pieces.ts'
import { MAX_SETTINGS_BYTES, type SettingsDocument, settingsPieces } from './settings_document.ts'

/** SHA-256 in lower-case hexadecimal. */
export function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** The SHA-256 of the bytes that a document is written as. */
export function hashSettings(doc: SettingsDocument): string {
  const hash = createHash('sha256')
  for (const piece of settingsPieces(doc)) hash.update(piece)
  return hash.digest('hex')
}

/**
 * The SHA-256 of a settings file, which is not held in memory for it.
 *
 * @throws RangeError when it is longer than settings may be
 */
export async function hashSettingsFile(files: Files, path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of readPieces(files, path, MAX_SETTINGS_BYTES)) hash.update(piece)
  return hash.digest('hex')
}

/**
 * Yields the content of a settings file in pieces, and fails at its end when that was not what was expected.
 *
 * @param unexpected makes what is thrown
 */
export async function* expectedPieces(
  files: Files,
  path: string,
  expectedHash: string,
  unexpected: () => Error,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  for await (const piece of readPieces(files, path, MAX_SETTINGS_BYTES)) {
    hash.update(piece)
    yield piece
  }
  if (hash.digest('hex') !== expectedHash) throw unexpected()
}
