import { ensureGoldenImage } from '../lib/ensure/golden_image.ts'
import { startModule } from '../lib/face/module/start_module.ts'

await startModule({ kind: 'ensure', operation: 'golden', perform: ensureGoldenImage })
