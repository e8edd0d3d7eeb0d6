/** What a finished command left. */
export interface CommandResult {
  /** Null when a signal ended it. */
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

/** How a command is run. */
export interface CommandOptions {
  /** Is handed each piece of the error stream as it comes. */
  readonly onStderr?: (text: string) => void
  /** Variables added to the environment. */
  readonly env?: Readonly<Record<string, string>>
  /**
   * Milliseconds after which the program is ended by force; without it, it is left alone. Only for programs
   * that change nothing.
   */
  readonly timeLimit?: number
}

/**
 * Runs a program with arguments, never through text that a shell could misread.
 * Resolves whatever the exit code is; rejects only when the program cannot be started.
 */
export type Runner = (
  file: string,
  args: readonly string[],
  options?: CommandOptions,
) => Promise<CommandResult>
