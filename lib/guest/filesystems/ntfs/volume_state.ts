import { GuestProblem } from '../../file_system.ts'
import { damaged, type Fields, fieldsOf, hex, textOf } from '../windows/fields.ts'
import { FILE, HARMLESS_VOLUME_FLAGS, KNOWN_VERSIONS, TYPE, VOLUME, VOLUME_FLAGS } from './layout.ts'
import { readSystemFile, type Volume } from './mft.ts'
import type { MftRecord } from './mft_record.ts'

/** Flags of `VOLUME_FLAGS` for which a volume is kept, with what they say. */
const MEANINGS: readonly (readonly [number, string])[] = [
  [VOLUME_FLAGS.dirty, 'dirty'],
  [VOLUME_FLAGS.resize_log_file, 'the journal is to be resized'],
  [VOLUME_FLAGS.upgrade_on_mount, 'to be upgraded'],
  [VOLUME_FLAGS.delete_usn_underway, 'the change journal is being deleted'],
  [VOLUME_FLAGS.chkdsk_underway, 'chkdsk is at work'],
]

/** Returns the file $Volume, which holds label, version and flags. */
export function readVolumeFile(volume: Volume): Promise<MftRecord> {
  return readSystemFile(volume, FILE.volume, '$Volume')
}

/** Returns the label; undefined when there is none. */
export function labelOf(file: MftRecord): string | undefined {
  const name = file.attributes.find(({ type }) => type === TYPE.volume_name)?.value
  return name === undefined || name.length === 0 ? undefined : textOf(name)
}

/**
 * Checks version and flags of a volume.
 *
 * @throws A GuestProblem for a version that is not known, and for flags that ask for work on the volume or are
 *   not known.
 */
export function checkVolumeState(file: MftRecord): void {
  const information = informationOf(file)
  const version = `${information.u8(VOLUME.major_ver)}.${information.u8(VOLUME.minor_ver)}`
  if (!KNOWN_VERSIONS.includes(version)) {
    throw new GuestProblem({ code: 'unsupported_feature', found: `it is of NTFS version ${version}` })
  }
  checkFlags(information.u16(VOLUME.flags))
}

function informationOf(file: MftRecord): Fields {
  const value = file.attributes.find(({ type }) => type === TYPE.volume_information)?.value
  if (value === undefined) throw damaged('its $Volume says neither version nor flags')
  return fieldsOf(value, '$Volume')
}

function checkFlags(flags: number): void {
  for (const [flag, meaning] of MEANINGS) {
    if ((flags & flag) === 0) continue
    throw new GuestProblem({ code: 'unclean', found: `its volume flags are ${hex(flags)}: ${meaning}` })
  }
  const unknown = flags - HARMLESS_VOLUME_FLAGS.reduce((sum, flag) => sum + (flags & flag), 0)
  if (unknown === 0) return
  const found = `its volume flags are ${hex(flags)}, of which ${hex(unknown)} is not known`
  throw new GuestProblem({ code: 'unsupported_feature', found })
}
