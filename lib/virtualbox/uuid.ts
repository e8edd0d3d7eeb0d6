import type { Uuid } from '../machine/machine.ts'

const FORM = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const ZERO = '00000000-0000-0000-0000-000000000000'

/**
 * Returns the UUID as VBoxManage is given it.
 *
 * @throws {TypeError} when it is not 36 characters in the form of a UUID, or is the zero UUID, by which
 * VirtualBox understands "the first snapshot" (7.2.22, measured).
 */
export function checkedUuid(text: string): Uuid {
  if (FORM.test(text) && text !== ZERO) return text.toLowerCase()
  throw new TypeError(`Cannot call VBoxManage with ${JSON.stringify(text)}: it is not the UUID of anything`)
}
