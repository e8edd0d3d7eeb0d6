import { ensureBaseSnapshot } from '../lib/ensure/base_snapshot.ts'
import { startModule } from '../lib/face/module/start_module.ts'

await startModule({ kind: 'ensure', operation: 'snapshot', perform: ensureBaseSnapshot })
