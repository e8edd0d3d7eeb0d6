import { ensureCloned } from '../lib/ensure/cloned.ts'
import { startModule } from '../lib/face/module/start_module.ts'

await startModule({ kind: 'ensure', operation: 'clone', perform: ensureCloned })
