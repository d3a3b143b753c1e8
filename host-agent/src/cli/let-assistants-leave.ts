import { readEnv } from '../env.ts'
import { giveWord } from '../reconcile/strays.ts'

// An operator's word that this host may end more than a fifth of its assistants at once because the control plane does
// not name them any more. Their data stays. Run it with the agent's environment; restart the agent for it to act now.

await giveWord(readEnv(process.env).STATE_DIR)
console.log(
  'The next snapshot of the control plane, within ten minutes, is followed whatever it leaves out, once.',
)
