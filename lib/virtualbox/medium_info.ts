import { printable } from './printable.ts'

/** What VirtualBox finds when it looks at an image again. */
export interface MediumInfo {
  /** False only when VBoxManage says so in English. */
  readonly accessible: boolean
  /** What VirtualBox says is wrong, on one line. */
  readonly problem: string | undefined
}

/** Reads the output of `showmediuminfo`. The lines that are read come before the path, which can hold line ends. */
export function parseMediumInfo(stdout: string): MediumInfo {
  const state = /^State:[ \t]+(.*)$/m.exec(stdout)?.[1]?.trim()
  const problem = /^Access Error:[ \t]+(.*)$/m.exec(stdout)?.[1]?.trim()
  return {
    accessible: state !== 'inaccessible',
    problem: problem === undefined ? undefined : printable(problem),
  }
}
