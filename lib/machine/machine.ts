/** A UUID as 36 lower-case characters, without braces. */
export type Uuid = string

/** How snapshots treat a base image; only a base has a type. */
export type MediumType = 'Normal' | 'Immutable' | 'Writethrough' | 'Shareable' | 'Readonly' | 'MultiAttach'

/** A hard disk image as a media registry lists it. */
export interface Medium {
  readonly id: Uuid
  /** As it is written in the registry. */
  readonly location: string
  /** Absolute path. */
  readonly path: string
  /** As written, for example `VDI`. */
  readonly format: string
  /** Undefined for a differencing image. */
  readonly type: MediumType | undefined
  readonly autoReset: boolean
  /** True when the medium carries encryption keys. */
  readonly encrypted: boolean
  readonly parent: Uuid | undefined
  readonly children: readonly Medium[]
}

/** A hard disk image attached to a state of the machine. */
export interface Attachment {
  readonly controller: string
  readonly port: number
  readonly device: number
  readonly image: Uuid
}

/** What a snapshot and the current state have in common. */
export interface StateSettings {
  /** Hard disks only, in document order. */
  readonly attachments: readonly Attachment[]
  /** Absolute path of the saved state, when there is one. */
  readonly stateFile: string | undefined
  /** Absolute path of the EFI variables, when the settings name one. */
  readonly nvramFile: string | undefined
}

/** A snapshot of a machine. */
export interface Snapshot extends StateSettings {
  readonly id: Uuid
  readonly name: string
  readonly description: string
  /** As written, `2026-01-31T12:00:00Z`. */
  readonly timeStamp: string
  readonly parent: Uuid | undefined
  readonly children: readonly Snapshot[]
}

/** What a `.vbox` file says. */
export interface MachineSettings {
  /** Absolute path of the `.vbox` file. */
  readonly file: string
  /** Settings version as written, for example `1.19-linux`. */
  readonly version: string
  readonly id: Uuid
  readonly name: string
  /** Absolute path of the folder for differencing images. */
  readonly snapshotFolder: string
  readonly aborted: boolean
  /** True unless the file says `currentStateModified="false"`. */
  readonly currentStateModified: boolean
  readonly currentSnapshot: Uuid | undefined
  readonly rootSnapshot: Snapshot | undefined
  readonly currentState: StateSettings
  /** The base images of the machine's own registry, each with its tree of children. */
  readonly media: readonly Medium[]
  /** `ExtraDataItem`s by name. */
  readonly extraData: ReadonlyMap<string, string>
}
