import { inspectMachine, inspectMachines } from '../lib/ensure/machine_info.ts'
import { startModule } from '../lib/face/module/start_module.ts'

await startModule({ kind: 'info', operation: 'info', one: inspectMachine, all: inspectMachines })
