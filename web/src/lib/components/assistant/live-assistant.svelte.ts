import { followEvents } from '#lib/follow-events.ts'
import type { Assistant } from '#lib/server/api/views.ts'

/**
 * The assistant as it is now: what the page was made with, then what the API's events say. The browser connects again
 * by itself; `lost` is true meanwhile.
 */
export class LiveAssistant {
  #first: () => Assistant
  #latest = $state.raw<Assistant>()
  lost = $state(false)

  constructor(first: () => Assistant) {
    this.#first = first
    $effect(() => {
      // What the page loads anew may have been read before the last event: the stream begins again, with what is so now.
      this.#first()
      this.#latest = undefined
      const take = ({ data }: MessageEvent<string>) => {
        this.lost = false
        this.#latest = JSON.parse(data) as Assistant
      }
      return followEvents('/api/v1/assistants/events', { assistant: take }, () => {
        this.lost = true
      })
    })
  }

  get now(): Assistant {
    return this.#latest ?? this.#first()
  }
}
