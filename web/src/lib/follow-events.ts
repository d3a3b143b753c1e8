import { Backoff } from './backoff.ts'

/**
 * Listens to server-sent events until what it returns is called. The browser connects again by itself where a connection
 * breaks, and gives up where it is answered with an error, as while a server restarts: then they are opened anew.
 */
export function followEvents(
  address: string,
  listeners: Record<string, (event: MessageEvent<string>) => void>,
  onLost: () => void = () => {},
): () => void {
  const backoff = new Backoff()
  let events: EventSource
  let timer: ReturnType<typeof setTimeout> | undefined
  const open = () => {
    events = new EventSource(address)
    for (const [name, listener] of Object.entries(listeners)) events.addEventListener(name, listener)
    events.addEventListener('open', () => backoff.reset())
    events.addEventListener('error', () => {
      onLost()
      if (events.readyState === EventSource.CLOSED) timer = setTimeout(open, backoff.next())
    })
  }
  open()
  return () => {
    clearTimeout(timer)
    events.close()
  }
}
