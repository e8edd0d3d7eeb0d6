import { ensureBaseSnapshot } from '../../ensure/base_snapshot.ts'
import { ensureCloned } from '../../ensure/cloned.ts'
import { ensureCompacted } from '../../ensure/compacted.ts'
import { ensureGoldenImage } from '../../ensure/golden_image.ts'
import { inspectMachine, inspectMachines } from '../../ensure/machine_info.ts'
import { ensureMerged } from '../../ensure/merged.ts'
import { ensurePrepared } from '../../ensure/prepared.ts'
import { recoverMachine } from '../../ensure/recover_machine.ts'
import { undoRun } from '../../ensure/undo_run.ts'
import type { Operations } from './operations.ts'

/** The operations of this project. */
export const realOperations: Operations = {
  merge: ensureMerged,
  compact: ensureCompacted,
  snapshot: ensureBaseSnapshot,
  golden: ensureGoldenImage,
  clone: ensureCloned,
  prepare: ensurePrepared,
  recover: recoverMachine,
  undo: undoRun,
  report: async (machine, options) => {
    const { reportMachine } = await import('../../ensure/report_machine.ts')
    return await reportMachine(machine, options)
  },
  info: inspectMachine,
  list: inspectMachines,
}
