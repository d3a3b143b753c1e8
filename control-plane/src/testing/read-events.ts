export interface ReceivedEvent {
  event: string
  id: string
  data: Record<string, unknown>
}

/** For tests: server-sent events one by one; `next` resolves with undefined once the stream has ended. */
export function readEvents(response: Response) {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  const decoder = new TextDecoder()
  let text = ''
  async function next(): Promise<ReceivedEvent | undefined> {
    for (;;) {
      const end = text.indexOf('\n\n')
      if (end >= 0) {
        const lines = text.slice(0, end).split('\n')
        text = text.slice(end + 2)
        const field = (name: string) =>
          lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? ''
        if (field('event') === '') continue
        return { event: field('event'), id: field('id'), data: JSON.parse(field('data')) }
      }
      const { done, value } = await reader.read()
      if (done) return undefined
      text += decoder.decode(value, { stream: true })
    }
  }
  return {
    next,
    /** Events until one that is wanted, it included. */
    async until(wanted: (event: ReceivedEvent) => boolean): Promise<ReceivedEvent[]> {
      const events: ReceivedEvent[] = []
      for (;;) {
        const event = await next()
        if (!event) throw new Error('the stream has ended')
        events.push(event)
        if (wanted(event)) return events
      }
    },
    leave: () => reader.cancel(),
  }
}
