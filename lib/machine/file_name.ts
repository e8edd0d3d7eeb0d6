import { Buffer } from 'node:buffer'

/**
 * Returns the name that VirtualBox gives the folder and the settings file of a machine: what could trouble a
 * shell or a file system becomes `_`, one for each byte of a character that is none of its plain ones
 * (measured with 7.2.22).
 */
export function machineFileName(name: string): string {
  const plain = [...name].map(plainCharacter).join('')
  return plain.replace(/^[ .-]/, '_').replace(/[ .]$/, '_')
}

function plainCharacter(character: string): string {
  const code = character.codePointAt(0) ?? 0
  const isPlain = /[ ()\-.0-9A-Z_a-z]/.test(character) || (code >= 0xa0 && code <= 0xd7af)
  if (isPlain) return character
  return code > 0xffff ? '_'.repeat(Buffer.byteLength(character)) : '_'
}
