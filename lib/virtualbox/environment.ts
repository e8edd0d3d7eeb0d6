/**
 * Variables that make VBoxManage speak English in UTF-8.
 *
 * Plain `LC_ALL=C` would cut its output off at the first character that is not ASCII and make it refuse
 * arguments with such characters (`VERR_NO_TRANSLATION`, measured with 7.2.22), so a UTF-8 locale is named
 * that every host of its kind has: `C.UTF-8` with glibc, `en_US.UTF-8` on macOS. The user's own locale would
 * not do: over SSH it often names one that the host does not have, which then counts as `C`.
 */
export function vboxEnvironment(platform: NodeJS.Platform): Record<string, string> {
  const locale = platform === 'darwin' ? 'en_US.UTF-8' : 'C.UTF-8'
  return { LC_ALL: locale, LANG: locale, LANGUAGE: 'C' }
}
