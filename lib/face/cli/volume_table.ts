import type { VolumeInfo } from '../../machine/info_types.ts'
import { alignColumns, escapeName, formatBytes, quote } from './text.ts'
import { wrap } from './wrap.ts'

/** Shows the volumes of a guest as a table; below each that is kept, why. */
export function volumeTable(volumes: readonly VolumeInfo[], columns: number): string[] {
  if (volumes.length === 0) return []
  const rows = volumes.map(volume => [
    formatBytes(volume.size),
    bytesOrUnknown(volume.used),
    bytesOrUnknown(volume.free),
    volume.kept === null ? bytesOrUnknown(volume.reclaimable) : 'kept',
    describeVolume(volume),
  ])
  const [head = '', ...lines] = alignColumns(
    [['SIZE', 'USED', 'FREE', 'TO GAIN', 'VOLUME'], ...rows],
    [0, 1, 2, 3],
  )
  return [head, ...lines.flatMap((line, index) => [line, ...whyKept(volumes[index], columns)])]
}

function describeVolume({ controller, port, device, where, kind, label }: VolumeInfo): string {
  const name = label === null ? '' : ` ${quote(label)}`
  return escapeName(`${controller} ${port}:${device}, ${where}: ${kind}`) + name
}

function whyKept(volume: VolumeInfo | undefined, columns: number): string[] {
  return volume?.kept ? wrap(`  kept: ${escapeName(volume.kept.reason)}`, columns, '    ') : []
}

function bytesOrUnknown(bytes: number | null): string {
  return bytes === null ? '?' : formatBytes(bytes)
}
