import { dirname, isAbsolute, relative, sep } from 'node:path'
import type { TreePlan } from '../../ensure/plan_tree.ts'
import { setExtraData } from '../../machine/edit_extra_data.ts'
import { addMedium, foldMedia, removeMedia, replaceImage } from '../../machine/edit_media.ts'
import {
  addSnapshot,
  discardSavedState,
  removeSnapshots,
  restoreState,
} from '../../machine/edit_snapshots.ts'
import type { Inspection } from '../../machine/inspection.ts'
import type { Uuid } from '../../machine/machine.ts'
import type { SettingsDocument } from '../../machine/settings_document.ts'

/** A differencing image that a run makes over another one. */
export interface NewImage {
  readonly id: Uuid
  /** Absolute path. */
  readonly path: string
  /** The image that is its parent. */
  readonly over: Uuid
  readonly autoReset: boolean
}

/** The base snapshot that a run takes. */
export interface NewSnapshot {
  readonly id: Uuid
  readonly name: string
  readonly description: string
  readonly images: readonly NewImage[]
  /** Absolute path of the copy of the EFI variables. */
  readonly nvramFile: string | undefined
}

/**
 * The settings of the first commit: without the views that are given up, every image still in its chain.
 *
 * @param leaves The differencing images of the state that is restored.
 */
export function firstSettings(
  doc: SettingsDocument,
  machine: Inspection,
  tree: TreePlan,
  leaves: readonly NewImage[],
  now: Date,
): SettingsDocument {
  let next = doc
  if (tree.discardSavedState) next = discardSavedState(next, now)
  for (const leaf of leaves) next = addMedium(next, leaf.over, mediumOf(machine, leaf))
  if (tree.restore !== undefined) {
    next = restoreState(next, tree.restore.id, new Map(leaves.map(leaf => [leaf.over, leaf.id])))
  }
  const gone = [...tree.discarded, ...tree.merged].map(snapshot => snapshot.id)
  if (gone.length > 0) next = removeSnapshots(next, new Set(gone), now)
  return removeMedia(next, tree.deleted)
}

/**
 * The settings of the second commit: the short chains, with the base snapshot and the compaction stamps.
 *
 * @param stamps Extra data by name.
 */
export function secondSettings(
  first: SettingsDocument,
  machine: Inspection,
  tree: TreePlan,
  snapshot: NewSnapshot | undefined,
  stamps: ReadonlyMap<string, string>,
  now: Date,
): SettingsDocument {
  let next = first
  for (const { images } of tree.folds) {
    const [target, ...folded] = images
    const top = folded[folded.length - 1]
    if (target === undefined || top === undefined) continue
    next = replaceImage(next, 'all', top, target)
    next = foldMedia(next, target, folded)
  }
  if (snapshot !== undefined) next = withSnapshot(next, machine, snapshot, now)
  for (const [name, value] of stamps) next = setExtraData(next, name, value)
  return next
}

function withSnapshot(
  doc: SettingsDocument,
  machine: Inspection,
  snapshot: NewSnapshot,
  now: Date,
): SettingsDocument {
  let next = doc
  for (const image of snapshot.images) next = addMedium(next, image.over, mediumOf(machine, image))
  return addSnapshot(next, {
    id: snapshot.id,
    name: snapshot.name,
    description: snapshot.description,
    timeStamp: `${now.toISOString().slice(0, 19)}Z`,
    images: new Map(snapshot.images.map(image => [image.over, image.id])),
    ...(snapshot.nvramFile === undefined ? {} : { nvramPath: locationOf(machine, snapshot.nvramFile) }),
  })
}

function mediumOf(
  machine: Inspection,
  image: NewImage,
): { readonly id: Uuid; readonly location: string; readonly format: string; readonly autoReset: boolean } {
  return {
    id: image.id,
    location: locationOf(machine, image.path),
    format: 'VDI',
    autoReset: image.autoReset,
  }
}

/** A path as settings name it: relative to the machine's folder where it lies inside. */
function locationOf(machine: Inspection, path: string): string {
  const inside = relative(dirname(machine.settings.file), path)
  const isInside = !inside.startsWith('..') && inside !== '' && !isAbsolute(inside)
  return isInside ? inside.split(sep).join('/') : path
}
