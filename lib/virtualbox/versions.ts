import type { Warning } from '../ensure/result.ts'

/** The version of a VirtualBox. */
export interface VirtualBoxVersion {
  /** As VBoxManage prints it: `7.2.22_Debianr175245`. */
  readonly text: string
  readonly major: number
  readonly minor: number
  readonly patch: number
}

/** Reads what `VBoxManage --version` prints, behind the warnings that some start scripts add. */
export function parseVersion(stdout: string): VirtualBoxVersion | undefined {
  const match = [...stdout.matchAll(/^(\d{1,4})\.(\d{1,4})\.(\d{1,4})\S*$/gm)].at(-1)
  if (match === undefined) return undefined
  const [text, major, minor, patch] = match
  return { text, major: Number(major), minor: Number(minor), patch: Number(patch) }
}

/** Whether a version comes before `major.minor.patch`. */
export function isBefore(version: VirtualBoxVersion, major: number, minor: number, patch: number): boolean {
  const differences = [version.major - major, version.minor - minor, version.patch - patch]
  return (differences.find(difference => difference !== 0) ?? 0) < 0
}

/**
 * What a user should know about the VirtualBox that is going to do the work.
 *
 * @param hasDifferencing whether one of the machine's images is a differencing image
 */
export function versionWarnings(version: VirtualBoxVersion, hasDifferencing: boolean): Warning[] {
  const warnings: Warning[] = []
  if (isBefore(version, 5, 0, 0)) {
    const message = `VirtualBox ${version.text} is older than 5.0, the oldest version this is made for`
    warnings.push({ code: 'old_virtualbox', message })
  }
  // Block #850 of VirtualBox's issues: the table of a differencing image is not written for such blocks.
  if (hasDifferencing && isBefore(version, 7, 2, 18)) {
    const message =
      `VirtualBox ${version.text} forgets blocks of zeros in differencing images: ` +
      'what lay there before can come back; 7.2.18 and later, and engine "direct", do not'
    warnings.push({ code: 'zero_blocks_bug', message })
  }
  return warnings
}
