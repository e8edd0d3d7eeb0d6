import type {
  BaseSnapshotOptions,
  CloneOptions,
  CompactOptions,
  GoldenImageOptions,
  InspectOptions,
  ListOptions,
  MergeOptions,
  RecoverOptions,
  ReportOptions,
  UndoOptions,
} from '../ensure/options.ts'

/** Options of the bare command line: merge first, the rest when asked for. */
export interface PrepareOptions extends GoldenImageOptions {
  /** Compacts the base images after merging. Default false. */
  readonly compact?: boolean
  /** Takes the base snapshot at the end. Default false. */
  readonly snapshot?: boolean
}

/** The options that a caller may give, by operation. */
export interface OperationOptions {
  readonly merge: MergeOptions
  readonly compact: CompactOptions
  readonly snapshot: BaseSnapshotOptions
  readonly golden: GoldenImageOptions
  readonly clone: CloneOptions
  /** The bare `vboxmerge MACHINE` of 2010. */
  readonly prepare: PrepareOptions
  readonly recover: RecoverOptions
  readonly undo: UndoOptions
  readonly report: ReportOptions
  readonly info: InspectOptions
  readonly list: ListOptions
}

/** An operation that has options. */
export type OperationName = keyof OperationOptions

type WithoutDefault =
  | 'vboxmanage'
  | 'vboxUserHome'
  | 'count'
  | 'from'
  | 'minReclaim'
  | 'backup'
  | 'cloneName'
  | 'cloneFolder'
  | 'report'
  | 'output'
  | 'folders'
  | 'onProgress'
  | 'signal'
  | '$'

/** Options with every default filled in; what has none stays optional. */
export type WithDefaults<Options> = Required<Omit<Options, WithoutDefault>> &
  Pick<Options, Extract<keyof Options, WithoutDefault>>

/** Checked options with their defaults, by operation. */
export type ParsedOptions = {
  readonly [Name in OperationName]: WithDefaults<OperationOptions[Name]>
}
