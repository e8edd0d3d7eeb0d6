import { dirname, join } from 'node:path'
import type { MeasuredDisk } from '../engine/measure_clone.ts'
import { summarize } from './plan.ts'
import type { ClonePlan, FoundClone } from './plan_clone.ts'
import type { CloneDisk, CloneStep, MachineSummary } from './result.ts'
import { refOf } from './state_model.ts'

/** Turns a plan of a clone and the figures of its disks into the step, if there is one, and what comes of it. */
export function forecastClone(
  plan: ClonePlan,
  { clone }: Pick<FoundClone, 'clone'>,
  measured: readonly MeasuredDisk[],
): { readonly step: CloneStep | undefined; readonly after: MachineSummary } {
  const { action, place, snapshot } = plan
  const present = clone === undefined ? undefined : summarize(clone.machine)
  const makes = action === 'create' || action === 'replace'
  const after = present !== undefined && !makes ? present : summaryOf(measured)
  if (action === 'none') return { step: undefined, after }
  const sum = (figure: 'readBytes' | 'writtenBytes' | 'fileSize'): number =>
    measured.reduce((total, disk) => total + disk[figure], 0)
  const replaced = makes ? (present?.bytes ?? 0) : 0
  const step: CloneStep = {
    kind: 'clone',
    action,
    name: place.name,
    settingsFile: place.settingsFile,
    snapshot: snapshot === undefined ? null : refOf(snapshot),
    disks: measured.map(one => diskOf(dirname(place.settingsFile), one)),
    forecast: {
      readBytes: sum('readBytes'),
      writtenBytes: sum('writtenBytes'),
      freedBytes: replaced - sum('fileSize'),
    },
  }
  return { step, after }
}

function diskOf(folder: string, { disk, fileSize }: MeasuredDisk): CloneDisk {
  const { controller, port, device } = disk.attachment
  return { controller, port, device, path: join(folder, disk.name), bytes: fileSize }
}

function summaryOf(measured: readonly MeasuredDisk[]): MachineSummary {
  const sum = (figure: 'fileSize' | 'allocatedBytes' | 'capacity'): number =>
    measured.reduce((total, disk) => total + disk[figure], 0)
  return {
    state: 'poweroff',
    snapshots: 0,
    currentSnapshot: null,
    images: measured.length,
    bytes: sum('fileSize'),
    allocatedBytes: sum('allocatedBytes'),
    capacity: sum('capacity'),
    exact: true,
  }
}
