import type { Progress } from '../../ensure/progress.ts'
import type { Files } from '../../io/files.ts'
import type { Manage } from '../../virtualbox/manage.ts'
import type { Prepared } from '../prepared.ts'

/** A run of the direct engine. */
export interface DirectRun {
  readonly files: Files
  readonly prepared: Prepared
  /**
   * Looks at the machine and plans again: unregistering rewrites the settings, and the world may have moved.
   * With `ownJournal` the journal that is found is this run's own, and tells of no interrupted run.
   */
  readonly prepareAgain: (ownJournal: boolean) => Promise<Prepared>
  /** Refuses when the machine is not as it was prepared any more, or is used; called right before the first write. */
  readonly checkUnchanged: (prepared: Prepared) => Promise<void>
  /** Undefined where there is no VBoxManage; a registered machine needs it. */
  readonly manage: Manage | undefined
  /** Who runs, for the journal. */
  readonly user: string
  readonly vboxUserHome: string
  /** Seconds to wait while another session holds the machine. */
  readonly lockTimeout: number
  readonly now: Date
  readonly onProgress: (progress: Progress) => void
  /** Is told the index of each step that is done, by an engine that does one after the other. */
  readonly onStepDone?: (index: number) => void
  /** Is told of bytes of images that were not copied, because files can share them. */
  readonly onShared: (bytes: number) => void
  readonly signal: AbortSignal | undefined
  /** What is compared before anything is deleted. */
  readonly verify: 'tables' | 'full'
}
