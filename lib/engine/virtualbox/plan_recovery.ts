import { VboxmergeError } from '../../errors.ts'
import type { Relink } from '../../machine/inspection.ts'
import type { MachineSettings, Medium, Uuid } from '../../machine/machine.ts'
import { eachSnapshot, indexMedia } from '../../machine/media_graph.ts'
import type { ChainNote, NotedDisk, NotedImage } from './chain_note.ts'
import type { ImageLinks } from './read_links.ts'

/** What became of a disk of the snapshot, as the image files tell. */
export interface DiskOutcome {
  /**
   * `forward`: the snapshot's image was merged into its child, which stays; `backward`: the child was merged
   * into the snapshot's image, which stays; `deleted`: the image had no child and is gone.
   */
  readonly kind: 'forward' | 'backward' | 'deleted'
  readonly image: Uuid
  readonly child: Uuid | undefined
}

/** How settings that VirtualBox did not come to save are made right. */
export interface Recovery {
  readonly snapshot: Uuid
  /** The disks that were dealt with. Empty when the settings are right as they are. */
  readonly outcomes: readonly DiskOutcome[]
  /** Whether all disks were dealt with, so that the snapshot goes; else it stays with the others. */
  readonly removeSnapshot: boolean
  /** Headers that still name the image that went as their parent. */
  readonly relinks: readonly Relink[]
  /** Files that were merged but are still there. */
  readonly leftovers: readonly NotedImage[]
}

/** The image files that `planRecovery` needs to know of. */
export function recoveryPaths(note: ChainNote, settings: MachineSettings): string[] {
  const media = indexMedia([settings.media])
  return listedDisks(note, media).flatMap(({ image, child }) => [
    image.path,
    ...(child === null ? [] : [child.path]),
    ...(child === null ? [] : (media.get(child.id)?.children ?? []).map(({ path }) => path)),
  ])
}

/** The noted disks that the settings still list, where those have them: the folder may have been moved. */
function listedDisks(note: ChainNote, media: Media): NotedDisk[] {
  const placed = (image: NotedImage): NotedImage => ({
    ...image,
    path: media.get(image.id)?.path ?? image.path,
  })
  return note.disks
    .filter(({ image }) => media.has(image.id))
    .map(({ image, child }) => ({ image: placed(image), child: child === null ? null : placed(child) }))
}

/**
 * Works out what VirtualBox had done when it died while it deleted a snapshot. The headers of the images that
 * are left tell: VirtualBox writes the new parents into them before it deletes the merged image.
 *
 * @param links what the files of `recoveryPaths` say
 * @throws {VboxmergeError} `image_missing` or `chain_mismatch` when a merge does not explain what is there
 */
export function planRecovery(
  note: ChainNote,
  settings: MachineSettings,
  links: ReadonlyMap<string, ImageLinks>,
): Recovery {
  const { id } = note.snapshot
  const named = [...eachSnapshot(settings.rootSnapshot)].some(snapshot => snapshot.id === id)
  const nothing = { snapshot: id, outcomes: [], removeSnapshot: false, relinks: [], leftovers: [] }
  if (!named) return nothing
  const media = indexMedia([settings.media])
  const found = listedDisks(note, media).map(disk => outcomeOf(disk, media, links))
  if (found.every(outcome => outcome === undefined)) return nothing
  return {
    snapshot: id,
    outcomes: found.flatMap(outcome => outcome?.outcome ?? []),
    removeSnapshot: found.every(outcome => outcome !== undefined),
    relinks: found.flatMap(outcome => outcome?.relinks ?? []),
    leftovers: found.flatMap(outcome => outcome?.leftover ?? []),
  }
}

interface Found {
  readonly outcome: DiskOutcome
  readonly relinks: readonly Relink[]
  readonly leftover: NotedImage | undefined
}

type Media = ReadonlyMap<Uuid, Medium>
type Links = ReadonlyMap<string, ImageLinks>

/** Undefined: nothing has happened to the disk that its settings do not say. */
function outcomeOf(disk: NotedDisk, media: Media, links: Links): Found | undefined {
  const { image, child } = disk
  const imageThere = isThere(image, links)
  if (child === null) {
    const outcome: DiskOutcome = { kind: 'deleted', image: image.id, child: undefined }
    return imageThere ? undefined : { outcome, relinks: [], leftover: undefined }
  }
  const childThere = isThere(child, links)
  if (!imageThere && !childThere) {
    throw lost(image, `and ${JSON.stringify(child.path)}, which would hold its data, are both missing`)
  }
  if (!childThere) return mergedBackward(image, child, media, links)
  const parent = links.get(child.path)?.header?.parent
  if (!imageThere) {
    if (image.parent !== null && parent === image.parent) return mergedForward(image, child, undefined)
    throw lost(
      image,
      `is missing, but it was not merged: ${JSON.stringify(child.path)} still names it as its parent`,
    )
  }
  if (image.parent !== null && parent === image.parent) return mergedForward(image, child, image)
  const children = media.get(child.id)?.children ?? []
  return children.some(({ path }) => links.get(path)?.header?.parent === image.id)
    ? mergedBackward(image, child, media, links)
    : undefined
}

function mergedForward(image: NotedImage, child: NotedImage, leftover: NotedImage | undefined): Found {
  return { outcome: { kind: 'forward', image: image.id, child: child.id }, relinks: [], leftover }
}

function mergedBackward(image: NotedImage, child: NotedImage, media: Media, links: Links): Found {
  const childThere = isThere(child, links)
  const children = media.get(child.id)?.children ?? []
  const behind = children.filter(({ path }) => links.get(path)?.header?.parent !== image.id)
  if (!childThere && behind[0] !== undefined) {
    throw lost(
      child,
      `is missing, but it was not merged: ${JSON.stringify(behind[0].path)} does not name its heir as parent`,
    )
  }
  if (!childThere && children.length === 0 && image.parent !== null && image.bytes <= child.bytes) {
    throw lost(child, 'is missing, but VirtualBox would have merged the other way')
  }
  return {
    outcome: { kind: 'backward', image: image.id, child: child.id },
    relinks: behind.map(({ id }) => ({ child: id, from: child.id, to: image.id })),
    leftover: childThere ? child : undefined,
  }
}

function isThere(image: NotedImage, links: Links): boolean {
  const found = links.get(image.path)
  if (found === undefined || !found.exists) return false
  if (found.header === undefined) throw lost(image, 'cannot be read')
  if (found.header.id === image.id) return true
  throw new VboxmergeError(
    'chain_mismatch',
    `Cannot make the settings right again: ${JSON.stringify(image.path)} is the image ${found.header.id}, not ${image.id}`,
  )
}

function lost({ path }: NotedImage, found: string): VboxmergeError {
  return new VboxmergeError(
    'image_missing',
    `Cannot make the settings right again: the image ${JSON.stringify(path)} ${found}; bring the file back from a backup`,
  )
}
