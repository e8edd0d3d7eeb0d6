import { GuestProblem, type KeepCode } from '../file_system.ts'

/** Returns the problem of a group of logical volumes that contradicts itself. */
export function damagedGroup(found: string): GuestProblem {
  return new GuestProblem({ code: 'damaged', found })
}

/** Returns the problem of a group that holds what is not understood here. */
export function unsupportedGroup(found: string, code: KeepCode = 'unsupported_feature'): GuestProblem {
  return new GuestProblem({ code, found })
}
