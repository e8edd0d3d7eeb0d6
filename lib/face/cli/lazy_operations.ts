import type { Operations } from './operations.ts'

const load = async (): Promise<Operations> => (await import('./real_operations.ts')).realOperations

/** The operations of this project, loaded with the first call: help texts and refused command lines need none. */
export const lazyOperations: Operations = {
  merge: async (machine, options) => await (await load()).merge(machine, options),
  compact: async (machine, options) => await (await load()).compact(machine, options),
  snapshot: async (machine, options) => await (await load()).snapshot(machine, options),
  golden: async (machine, options) => await (await load()).golden(machine, options),
  prepare: async (machine, options) => await (await load()).prepare(machine, options),
  clone: async (machine, options) => await (await load()).clone(machine, options),
  recover: async (machine, options) => await (await load()).recover(machine, options),
  undo: async (folder, options) => await (await load()).undo(folder, options),
  report: async (machine, options) => await (await load()).report(machine, options),
  info: async (machine, options) => await (await load()).info(machine, options),
  list: async options => await (await load()).list(options),
}
