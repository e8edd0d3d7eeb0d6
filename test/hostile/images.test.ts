// Whole operations on machines whose images are damaged, or were made by someone who means harm.
import t from 'tap'
import { imageKinds } from '../fixtures/hostile/kinds.ts'
import { runHunt } from '../fixtures/hostile/run_hunt.ts'

t.setTimeout(900_000)

t.test(
  'no image makes an operation crash, hang, lose a byte, or touch what is not the machine’s',
  async t => {
    await runHunt(t, await imageKinds(), 0.4)
  },
)
