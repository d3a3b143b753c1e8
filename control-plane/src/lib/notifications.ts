import pg from 'pg'
import type { Logger } from 'pino'
import type { Topic } from '../context.ts'

/** What the database tells every replica once a transaction that called `nudge` has committed. */
export interface Notifications {
  /** Calls `handler` with the id of each notice of the topic; after a lost connection, with '' for "look at everything". */
  on(topic: Topic, handler: (id: string) => void): () => void
  /** Tells this process what it has just committed itself; the database's notice of it is then left out. */
  tell(nudges: Iterable<string>): void
  close(): Promise<void>
}

export interface ListenTiming {
  reconnectDelayMs: number
  /** Between two questions whether the server is still there: a listener says nothing that could fail. */
  probeMs: number
  /** A server that does not answer within it is given up. */
  patienceMs: number
}

const listenTiming: ListenTiming = { reconnectDelayMs: 500, probeMs: 5_000, patienceMs: 10_000 }

/**
 * One LISTEN connection for the process, opened again when it breaks or falls silent. Notices in between are lost:
 * sweeps catch up. `isOwn` = a server process whose commits are told here with `tell`.
 */
export async function listen(
  url: string,
  log: Logger,
  isOwn: (processId: number) => boolean = () => false,
  timing: ListenTiming = listenTiming,
): Promise<Notifications> {
  const handlers = new Map<Topic, Set<(id: string) => void>>()
  let client: pg.Client | null = null
  let closed = false
  let timer: NodeJS.Timeout | undefined

  const tell = (nudge: string) => {
    const [topic = '', ...id] = nudge.split(':')
    for (const handler of handlers.get(topic as Topic) ?? []) handler(id.join(':'))
  }
  const connect = async () => {
    const next = new pg.Client({
      connectionString: url,
      keepAlive: true,
      connectionTimeoutMillis: timing.patienceMs,
      query_timeout: timing.patienceMs,
    })
    next.on('notification', ({ payload = '', processId }) => {
      if (!isOwn(processId)) tell(payload)
    })
    next.on('error', () => {}) // 'end' follows
    next.once('end', () => lose(next))
    try {
      await next.connect()
      await next.query('LISTEN yourclaw')
    } catch (error) {
      leave(next)
      throw error
    }
    client = next
    if (closed) await next.end()
    else probeLater(next)
  }
  const probeLater = (current: pg.Client) => {
    timer = setTimeout(() => {
      current.query('SELECT 1').then(
        () => {
          if (client === current && !closed) probeLater(current)
        },
        () => lose(current),
      )
    }, timing.probeMs)
  }
  const lose = (lost: pg.Client) => {
    if (closed || client !== lost) return
    client = null
    leave(lost)
    log.warn('the notification connection ended: opening it again')
    retry()
  }
  /** Not waited for: one that is silent may not even end. */
  const leave = (lost: pg.Client) => void lost.end().catch(() => {})

  const retry = () => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      connect().then(
        () => {
          for (const set of handlers.values()) for (const handler of set) handler('')
        },
        () => {
          if (!closed) retry()
        },
      )
    }, timing.reconnectDelayMs)
  }

  await connect()
  return {
    on(topic, handler) {
      const set = handlers.get(topic) ?? new Set()
      handlers.set(topic, set.add(handler))
      return () => set.delete(handler)
    },
    tell(nudges) {
      for (const nudge of nudges) tell(nudge)
    },
    async close() {
      closed = true
      clearTimeout(timer)
      await client?.end()
    },
  }
}
