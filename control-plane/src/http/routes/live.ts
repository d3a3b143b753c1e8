import type { Context } from 'hono'
import { streamSSE } from 'hono/streaming'
import type { Ctx, Topic } from '../../context.ts'
import type { Notifications } from '../../lib/notifications.ts'
import { findUser } from '../../services/account/find-user.ts'
import { isBearerValid } from '../../services/account/is-bearer-valid.ts'
import type { AuthenticatedEnv } from '../middleware/authenticate.ts'

/** What a proxy takes for silence is longer. */
const keepAliveMs = 25_000

/**
 * Server-sent events: what `read` answers, by the event's name, at once and again whenever it changed. `topic` tells
 * when to look. Whoever signs out,
 * deletes the account, or whose token runs out, sees no more.
 */
export function liveEvents(
  c: Context<AuthenticatedEnv>,
  { ctx, notifications }: { ctx: Ctx; notifications: Notifications },
  topic: Topic,
  read: () => Promise<Record<string, unknown>>,
): Response {
  const userId = c.get('user').id
  const bearer = c.get('bearer')
  const isStillIn = async () =>
    (await isBearerValid({ ctx, input: bearer })) &&
    // Also when it cannot be told: the browser asks again.
    (await findUser({ ctx, input: { userId } }).catch(() => null)) !== null
  // Proxies that gather what is sent would hold each event back.
  c.header('x-accel-buffering', 'no')
  return streamSSE(c, async (stream) => {
    let wake = Promise.withResolvers<void>()
    const stop = notifications.on(topic, (id) => {
      if (id === userId || id === '') wake.resolve()
    })
    const keepAlive = setInterval(() => wake.resolve(), keepAliveMs)
    stream.onAbort(() => wake.resolve())
    try {
      const last = new Map<string, string>()
      while (!stream.aborted && (await isStillIn())) {
        // Renewed before reading: a notice that comes while we read wakes the next round.
        wake = Promise.withResolvers()
        const events = Object.entries(await read()).map(
          ([name, data]) => [name, JSON.stringify(data)] as const,
        )
        const changed = events.filter(([name, data]) => last.get(name) !== data)
        for (const [event, data] of changed) {
          await stream.writeSSE({ event, data })
          last.set(event, data)
        }
        if (changed.length === 0) await stream.write(': \n\n')
        if (!stream.aborted) await wake.promise
      }
    } finally {
      clearInterval(keepAlive)
      stop()
    }
  })
}
