import { createReadStream } from 'node:fs'
import { homedir } from 'node:os'
import process from 'node:process'
import { onStopSignal } from '../cli/process_surroundings.ts'
import { keepYoungHeapSmall } from '../young_heap.ts'
import type { ModuleTask } from './module_task.ts'
import { runModule } from './run_module.ts'

/** Runs a module as this process. */
export async function startModule(task: ModuleTask): Promise<void> {
  keepYoungHeapSmall()
  // Who does not read the answer has gone, and the work is done all the same.
  process.stdout.on('error', () => {})
  const status = await runModule(task, {
    args: process.argv.slice(2),
    stdin: () => process.stdin,
    readFile: path => createReadStream(path),
    write: text => process.stdout.write(text),
    home: homedir,
    nodeVersion: process.versions.node,
    onStopSignal,
    exitNow: code => process.exit(code),
  })
  // Not process.exit(), which cuts off a long answer.
  process.exitCode = status
}
