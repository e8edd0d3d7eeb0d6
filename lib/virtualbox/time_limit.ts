import process from 'node:process'

/**
 * Ends a process group by force after a while; without a limit never.
 *
 * @param pid the process that leads the group; undefined when it did not start
 * @param limit milliseconds
 * @returns what calls it off
 */
export function limitTime(pid: number | undefined, limit: number | undefined): () => void {
  if (pid === undefined || limit === undefined) return () => undefined
  const timer = setTimeout(() => {
    try {
      // Windows has no process groups in this sense; there the program runs without a shell around it.
      process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL')
    } catch {
      // It has just ended by itself.
    }
  }, limit)
  return () => clearTimeout(timer)
}
