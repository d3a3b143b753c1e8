import { setTimeout as delay } from 'node:timers/promises'
import type { Notifications } from '../lib/notifications.ts'
import type { IntegrationCtx } from '../services/integration/ctx.ts'
import { sweepDisconnects } from '../services/integration/revoke.ts'
import { dueActions, expireActions, runAction } from '../services/tool/run-action.ts'

/*
 * What people agreed that their assistants do at Google. The rows are the queue: each is claimed with a lease, by
 * whichever replica hears of it first, or by the sweep.
 */
export interface ToolActions {
  /** Goes on with what a lost nudge, a crash or an outage left behind. */
  sweep(): Promise<void>
  /** Begins no more and waits for what runs, at most `graceMs`: another replica goes on with the rest. */
  stop(graceMs: number): Promise<void>
}

/** Actions at once, of everybody. */
const concurrency = 8

export function workToolActions({
  ctx,
  notifications,
}: {
  ctx: IntegrationCtx
  notifications: Pick<Notifications, 'on'>
}): ToolActions {
  const running = new Map<string, Promise<void>>()
  const again = new Set<NodeJS.Timeout>()
  let stopped = false

  const start = (id: string) => {
    if (stopped || running.has(id) || running.size >= concurrency) return
    const work = runAction({ ctx, input: { id } })
      .then(({ retryAfterMs }) => {
        if (retryAfterMs !== null) later(id, retryAfterMs)
      })
      .catch((err: unknown) => ctx.log.error({ err }, 'an action could not be settled'))
      .finally(() => {
        // Some may have found no place.
        const wasFull = running.size >= concurrency
        running.delete(id)
        if (wasFull) hear()
      })
    running.set(id, work)
  }
  const later = (id: string, delayMs: number) => {
    if (stopped) return
    const timer = setTimeout(() => {
      again.delete(timer)
      start(id)
    }, delayMs)
    again.add(timer)
  }
  const look = async () => {
    if (stopped) return
    for (const { id } of await dueActions({ ctx, input: { limit: concurrency * 2 } })) start(id)
  }
  const hear = () =>
    void look().catch((err: unknown) => ctx.log.error({ err }, 'actions could not be looked up'))
  const off = notifications.on('actions', hear)
  return {
    async sweep() {
      await expireActions({ ctx })
      await look()
      await sweepDisconnects({ ctx })
    },
    async stop(graceMs) {
      stopped = true
      off()
      for (const timer of again) clearTimeout(timer)
      const late = new AbortController()
      const grace = delay(graceMs, undefined, { signal: late.signal }).catch(() => {})
      await Promise.race([Promise.all(running.values()), grace])
      late.abort()
    },
  }
}
