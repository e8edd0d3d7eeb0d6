import type { VolumeInfo } from '../../machine/info_types.ts'
import { alignColumns, escapeName, formatBytes, quote } from './text.ts'

/** Shows the volumes of a guest as a table; below each that is kept, why. */
export function volumeTable(volumes: readonly VolumeInfo[]): string[] {
  const rows = volumes.map(volume => [
    formatBytes(volume.size),
    bytesOrUnknown(volume.used),
    volume.kept === null ? bytesOrUnknown(volume.reclaimable) : 'kept',
    describeVolume(volume),
  ])
  const [head = '', ...lines] = alignColumns([['SIZE', 'USED', 'TO GAIN', 'VOLUME'], ...rows], [0, 1, 2])
  return [head, ...lines.flatMap((line, index) => [line, ...whyKept(volumes[index])])]
}

function describeVolume({ controller, port, device, where, kind, label }: VolumeInfo): string {
  const name = label === null ? '' : ` ${quote(label)}`
  return escapeName(`${controller} ${port}:${device}, ${where}: ${kind}`) + name
}

function whyKept(volume: VolumeInfo | undefined): string[] {
  return volume?.kept ? [`  kept: ${escapeName(volume.kept.reason)}`] : []
}

function bytesOrUnknown(bytes: number | null): string {
  return bytes === null ? '?' : formatBytes(bytes)
}
