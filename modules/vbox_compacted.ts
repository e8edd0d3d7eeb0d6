import { ensureCompacted } from '../lib/ensure/compacted.ts'
import { startModule } from '../lib/face/module/start_module.ts'

await startModule({ kind: 'ensure', operation: 'compact', perform: ensureCompacted })
