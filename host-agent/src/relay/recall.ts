import { TurnInput } from '@yourclaw/proto/host/v1'
import { pause } from '../backoff.ts'
import type { Aftermath, Conversation } from '../runtime/runtime.ts'

const pollMs = 250
/** OpenClaw takes an interrupted run up again about a second after it is ready, and retries with backoff. */
const resumeGraceMs = 30_000

/**
 * What became of a turn's messages, once nothing of it can change any more. Runs that nobody here called are waited
 * for, since OpenClaw refuses a second one in the same session; `signal` ends the wait with its reason.
 */
export async function settle(
  conversation: Conversation,
  mark: string,
  signal: AbortSignal,
): Promise<Aftermath> {
  let patienceMs = resumeGraceMs
  for (;;) {
    const found = await conversation.since(mark)
    switch (found.state) {
      case 'running':
        break
      case 'interrupted':
        // Nobody takes it up: then it is for this attempt to do.
        if (patienceMs <= 0) return found
        patienceMs -= pollMs
        break
      default:
        return found
    }
    await pause(pollMs, signal)
    signal.throwIfAborted()
  }
}

/** For messages that the assistant has and nobody answers: what it says to itself after a restart, in short. */
export function continuation(input: TurnInput): TurnInput {
  const text =
    '[System] Your previous turn ended without an answer. Continue from the existing transcript and answer.'
  return TurnInput.create({ messages: [{ text }], deadlineUnixMs: input.deadlineUnixMs })
}
