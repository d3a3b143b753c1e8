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

const reconnectDelayMs = 500

/**
 * One LISTEN connection for the process, opened again when it breaks. Notices in between are lost: sweeps catch up.
 * `isOwn` = a server process whose commits are told here with `tell`.
 */
export async function listen(
  url: string,
  log: Logger,
  isOwn: (processId: number) => boolean = () => false,
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
    const next = new pg.Client({ connectionString: url, keepAlive: true })
    next.on('notification', ({ payload = '', processId }) => {
      if (!isOwn(processId)) tell(payload)
    })
    next.on('error', () => {}) // 'end' follows
    next.once('end', () => {
      if (closed || client !== next) return
      log.warn('the notification connection ended: opening it again')
      retry()
    })
    await next.connect()
    await next.query('LISTEN yourclaw')
    client = next
    if (closed) await next.end()
  }

  const retry = () => {
    timer = setTimeout(() => {
      connect().then(
        () => {
          for (const set of handlers.values()) for (const handler of set) handler('')
        },
        () => {
          if (!closed) retry()
        },
      )
    }, reconnectDelayMs)
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
