import { type FileSystem, GuestProblem, keptFileSystem } from '../../file_system.ts'

/** Returns what `open` returns, or a file system of which all is kept when it finds that it has to be. */
export async function keptOnProblem(
  about: Pick<FileSystem, 'kind' | 'size'> & Partial<Pick<FileSystem, 'label'>>,
  open: () => Promise<FileSystem>,
): Promise<FileSystem> {
  try {
    return await open()
  } catch (error) {
    if (error instanceof GuestProblem) return keptFileSystem(about, error.reason)
    throw error
  }
}
