// Whole operations where journals, locks and other notes of earlier runs were forged.
import t from 'tap'
import { noteKinds } from '../fixtures/hostile/kinds.ts'
import { runHunt } from '../fixtures/hostile/run_hunt.ts'

t.setTimeout(900_000)

t.test(
  'no note of an earlier run makes an operation crash, hang, lose a byte, or touch what is not the machine’s',
  async t => {
    await runHunt(t, await noteKinds(), 0.25)
  },
)
