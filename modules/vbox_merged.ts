import { ensureMerged } from '../lib/ensure/merged.ts'
import { startModule } from '../lib/face/module/start_module.ts'

await startModule({ kind: 'ensure', operation: 'merge', perform: ensureMerged })
