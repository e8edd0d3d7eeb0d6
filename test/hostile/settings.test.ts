// Whole operations on machines whose settings, or whose VirtualBox’s, were changed by someone who means harm.
import t from 'tap'
import { settingsKinds } from '../fixtures/hostile/kinds.ts'
import { runHunt } from '../fixtures/hostile/run_hunt.ts'

t.setTimeout(900_000)

t.test(
  'no settings make an operation crash, hang, lose a byte, or touch what is not the machine’s',
  async t => {
    await runHunt(t, await settingsKinds(), 0.35)
  },
)
