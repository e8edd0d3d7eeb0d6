import { toVboxmergeError, VboxmergeError } from '../../errors.ts'
import { listenForInterruption, toldFailure } from '../cli/interruption.ts'
import type { DocumentData } from '../cli/json_document.ts'
import { type ModuleArguments, readArguments } from './module_arguments.ts'
import { ensureDocument, failureDocument, infoDocument } from './module_document.ts'
import type { ModuleSurroundings } from './module_surroundings.ts'
import type { ModuleTask } from './module_task.ts'
import { readInput } from './read_input.ts'

/** The oldest version of Node.js that runs this. */
const NODE_MAJOR = 20

/**
 * Does what the arguments ask a module for, and prints exactly one JSON object. Resolves to the exit status:
 * 0, or 1 for a failure. Never rejects because of what a user can cause.
 */
export async function runModule(task: ModuleTask, surroundings: ModuleSurroundings): Promise<number> {
  const { document, status } = await answer(task, surroundings)
  surroundings.write(`${JSON.stringify(document)}\n`)
  return status
}

interface Answer {
  readonly document: DocumentData
  readonly status: number
}

async function answer(task: ModuleTask, surroundings: ModuleSurroundings): Promise<Answer> {
  try {
    checkNode(surroundings.nodeVersion)
    const given = readArguments(await readInput(surroundings), task, surroundings.home)
    return { document: await perform(task, given, surroundings), status: 0 }
  } catch (error) {
    return { document: failureDocument(toVboxmergeError(error)), status: 1 }
  }
}

async function perform(
  task: ModuleTask,
  { machine, options: given, check, diff }: ModuleArguments,
  surroundings: ModuleSurroundings,
): Promise<DocumentData> {
  const interruption = listenForInterruption(surroundings, () => {})
  const options = { ...given, signal: interruption.signal }
  try {
    if (task.kind === 'ensure') {
      // Arguments without a machine were refused.
      const result = await task.perform(machine ?? '', { ...options, check })
      return ensureDocument(result, { operation: task.operation, check, diff })
    }
    return infoDocument(machine === undefined ? await task.all(options) : [await task.one(machine, options)])
  } catch (error) {
    throw toldFailure(error, interruption.signal)
  } finally {
    interruption.end()
  }
}

function checkNode(version: string): void {
  if (Number.parseInt(version, 10) >= NODE_MAJOR) return
  throw new VboxmergeError(
    'unsupported',
    `Cannot run with Node.js ${version}: ${NODE_MAJOR} or newer is needed; ` +
      'name another one with ansible_node_interpreter',
  )
}
