import type { ErrorCode } from '../errors.ts'
import type { ImageHeader } from '../image/image.ts'
import type { MachineSettings, Medium, Uuid } from './machine.ts'

/** Why something cannot be worked on, as data: a plan decides whether it is in the way. */
export interface Problem {
  readonly code: ErrorCode
  /** What was found and what helps, without the name of the operation. */
  readonly message: string
}

/** An image with what its file says. */
export interface InspectedImage {
  readonly medium: Medium
  /** Undefined when the file is missing, damaged, or of a format that only VirtualBox reads here. */
  readonly header: ImageHeader | undefined
  /** Length of the file in bytes; 0 when it is missing. */
  readonly fileSize: number
  readonly mtimeNs: bigint
  /** Number of names of the file. */
  readonly links: number
  readonly problem: Problem | undefined
}

/** A relation to VirtualBox as its settings folder shows it. */
export interface Registration {
  readonly registered: boolean
  /** False when an attached image or an ancestor is listed only outside the machine's own `.vbox`. */
  readonly ownRegistryComplete: boolean
}

/** The present state of a machine, as plain data. */
export interface Inspection {
  readonly settings: MachineSettings
  /** SHA-256 of the `.vbox` file as it was read. */
  readonly settingsHash: string
  /** The file of the machine's own EFI variables, which machines with a BIOS do not have. */
  readonly nvram: { readonly path: string; readonly exists: boolean }
  readonly registration: Registration
  /** Every image that a state of the machine reads, and the children of those images. */
  readonly images: ReadonlyMap<Uuid, InspectedImage>
  /** Images that a state of another machine reads, with that machine's name. */
  readonly sharedWith: ReadonlyMap<Uuid, string>
  /** Images of the current state whose table has no entry: nothing was written since they were made. */
  readonly emptyLeaves: ReadonlySet<Uuid>
  /** What an interrupted run left, when there is something. */
  readonly interrupted: InterruptedRun | undefined
}

/** An interrupted run as its journal tells it. */
export interface InterruptedRun {
  /** How far it came: nothing committed, the first commit, the second, or the settings changed since. */
  readonly reached: 'nothing' | 'first_commit' | 'second_commit' | 'unknown'
  /** Whether the machine must be registered again. */
  readonly registered: boolean
  /** Children whose header still names the folded image `from` as parent instead of `to`. */
  readonly relinks: readonly Relink[]
  /** Images that were to go: folded into another one, or read by no state any more. */
  readonly unwanted: ReadonlySet<Uuid>
  /** The snapshot whose restored state the run was making the one that stays. */
  readonly settles: { readonly id: Uuid; readonly name: string } | undefined
}

/** A child whose header is to name another parent. */
export interface Relink {
  readonly child: Uuid
  readonly from: Uuid
  readonly to: Uuid
}
