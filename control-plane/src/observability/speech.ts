import type { SpeechVerbs } from '../fleet/deps.ts'
import type { Metrics } from './metrics.ts'

/** The same verb, its outcomes counted. */
export const watchSpeech = ({ speech, metrics }: { speech: SpeechVerbs; metrics: Metrics }): SpeechVerbs => ({
  async take(input) {
    const taken = await speech.take(input)
    metrics.spoken.inc({ outcome: taken.outcome === 'stored' ? 'stored' : taken.code })
    return taken
  },
})
