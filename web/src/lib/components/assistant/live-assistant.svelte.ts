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
      const events = new EventSource('/api/v1/assistants/events')
      events.addEventListener('assistant', ({ data }) => {
        this.lost = false
        this.#latest = JSON.parse(data) as Assistant
      })
      events.addEventListener('open', () => {
        this.lost = false
      })
      events.addEventListener('error', () => {
        this.lost = true
      })
      return () => events.close()
    })
  }

  get now(): Assistant {
    return this.#latest ?? this.#first()
  }
}
