import type { Context } from 'hono'
import { type SSEMessage, streamSSE } from 'hono/streaming'
import type { Ctx, Topic } from '../../context.ts'
import { ServiceError } from '../../errors.ts'
import type { Notifications } from '../../lib/notifications.ts'
import { findUser } from '../../services/account/find-user.ts'
import { isBearerValid } from '../../services/account/is-bearer-valid.ts'
import type { AuthenticatedEnv } from '../middleware/authenticate.ts'

/** What a proxy takes for silence is longer. */
const keepAliveMs = 25_000
/** Of one person on one replica: some tabs on some machines. */
const maxStreams = 20
const open = new Map<string, number>()
const readerLeft = new Error('the reader has left')

interface LiveDeps {
  ctx: Ctx
  notifications: Pick<Notifications, 'on'>
}

/**
 * One round: sends what is new, each event once it was taken, so that a slow reader costs no memory. `isDue` is false
 * when nothing of the database has changed and only the follower itself woke the stream.
 */
export type Round = (send: (event: SSEMessage) => Promise<void>, isDue: boolean) => Promise<void>

/**
 * A stream of server-sent events: `follow` gets what wakes it and returns what a round does; rounds follow each other,
 * at once and whenever a notice of a topic came. Whoever signs out, deletes the account, or whose token runs out, sees
 * no more.
 */
export function liveStream(
  c: Context<AuthenticatedEnv>,
  { ctx, notifications }: LiveDeps,
  topics: readonly Topic[],
  follow: (wake: () => void) => { round: Round; stop?: () => void },
): Response {
  const userId = c.get('user').id
  const bearer = c.get('bearer')
  const isStillIn = async () =>
    (await isBearerValid({ ctx, input: bearer })) &&
    // Also when it cannot be told: the browser asks again.
    (await findUser({ ctx, input: { userId } }).catch(() => null)) !== null
  const count = (open.get(userId) ?? 0) + 1
  if (count > maxStreams)
    throw new ServiceError(429, 'too_many_streams', 'Too many pages are open at once. Close some of them.')
  open.set(userId, count)
  // Proxies that gather what is sent would hold each event back.
  c.header('x-accel-buffering', 'no')
  return streamSSE(c, async (stream) => {
    let awake = Promise.withResolvers<void>()
    let isDue = true
    const wake = () => awake.resolve()
    const due = () => {
      isDue = true
      wake()
    }
    // A round may be held up by a reader who takes nothing: whoever is out is sent no more of it either.
    const look = () => {
      isStillIn().then(
        (isIn) => isIn || stream.abort(),
        () => stream.abort(),
      )
    }
    const hear = (topic: Topic, work: () => void) =>
      notifications.on(topic, (id) => {
        if (id === userId || id === '') work()
      })
    // Signing out is a notice of the account.
    const offs = [...topics.map((topic) => hear(topic, due)), hear('user', look)]
    let isRound = false
    const keepAlive = setInterval(() => {
      // Otherwise the round that is due asks.
      if (isRound) look()
      due()
    }, keepAliveMs)
    stream.onAbort(wake)
    const follower = follow(wake)
    try {
      while (!stream.aborted) {
        // Renewed before reading: a notice that comes while we read wakes the next round.
        awake = Promise.withResolvers()
        const wasDue = isDue
        isDue = false
        if (wasDue && !(await isStillIn())) break
        isRound = true
        let isSilent = true
        await follower.round(async (event) => {
          isSilent = false
          await stream.writeSSE(event)
          // What is left of the round is for nobody.
          if (stream.aborted) throw readerLeft
        }, wasDue)
        if (isSilent && wasDue) await stream.write(': \n\n')
        isRound = false
        if (!stream.aborted) await awake.promise
      }
    } catch (error) {
      if (error !== readerLeft) throw error
    } finally {
      clearInterval(keepAlive)
      for (const off of offs) off()
      follower.stop?.()
      const left = (open.get(userId) ?? 1) - 1
      if (left > 0) open.set(userId, left)
      else open.delete(userId)
    }
  })
}

/** What `read` answers, by the event's name, at once and again whenever it changed. `topic` tells when to look. */
export function liveEvents(
  c: Context<AuthenticatedEnv>,
  deps: LiveDeps,
  topic: Topic,
  read: () => Promise<Record<string, unknown>>,
): Response {
  return liveStream(c, deps, [topic], () => {
    const last = new Map<string, string>()
    return {
      async round(send) {
        for (const [event, value] of Object.entries(await read())) {
          const data = JSON.stringify(value)
          if (last.get(event) === data) continue
          await send({ event, data })
          last.set(event, data)
        }
      },
    }
  })
}
