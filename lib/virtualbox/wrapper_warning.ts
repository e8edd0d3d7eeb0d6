/**
 * Removes the warning that the start scripts of VirtualBox print on standard output, before everything else,
 * while its kernel module is missing: a line `WARNING: …` and the indented and empty lines that follow it.
 */
export function stripWrapperWarning(stdout: string): string {
  let text = stdout.replaceAll('\r\n', '\n')
  while (text.startsWith('WARNING: ')) {
    const lines = text.split('\n')
    const end = lines.findIndex((line, at) => at > 0 && line !== '' && !/^[ \t]/.test(line))
    text = end === -1 ? '' : lines.slice(end).join('\n')
  }
  return text
}
