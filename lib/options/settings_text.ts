/** Tells whether a text can be a path on any system: without a NUL, and without half of a surrogate pair. */
export function fitsPath(text: string): boolean {
  return !/[\0\p{Surrogate}]/u.test(text)
}

/**
 * Tells whether a text can stand in an XML 1.0 document, so that VirtualBox can read the settings file
 * it is written to: no control characters but tab and line ends, no half of a surrogate pair.
 * https://www.w3.org/TR/xml/#charsets
 */
export function fitsSettingsFile(text: string): boolean {
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    if (code < 0x20 && code !== 0x09 && code !== 0x0a && code !== 0x0d) return false
    if (code >= 0xd800 && code <= 0xdfff) return false
    if (code === 0xfffe || code === 0xffff) return false
  }
  return true
}
