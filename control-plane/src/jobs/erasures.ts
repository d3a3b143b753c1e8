import { inTransaction } from '../context.ts'
import type { Notifications } from '../lib/notifications.ts'
import type { Mailer } from '../mail/mailer.ts'
import { dayMs } from '../plan.ts'
import { eraseAccount } from '../services/account/erase-account.ts'
import { waitingErasures } from '../services/account/waiting-erasures.ts'
import { endAlert, raiseAlert } from '../services/alert/raise-alert.ts'
import type { RevokingCtx } from '../services/integration/ctx.ts'
import type { BillingCtx } from '../services/subscription/ctx.ts'
import type { Store } from '../storage/store.ts'

/*
 * Accounts whose deletion was asked for. The users' own rows are the queue: whatever stops an erasure, the row is still
 * there and the next look goes on with it. Looked at when one is asked for, when a host reports an assistant, and by
 * the sweep. Two replicas may do the same one at once: each step is safe to repeat.
 */
export interface ErasureDeps {
  ctx: BillingCtx & RevokingCtx
  store: Store
  mailer: Mailer
  notifications: Notifications
}

export interface Erasures {
  /** Goes on with what a lost nudge, a crash or an outage left behind. */
  sweep(): Promise<void>
  /** Begins no more and waits for what runs. */
  stop(): Promise<void>
}

/** A deletion that takes longer is an operator's business: its host may be gone. */
const lateMs = dayMs

/** What failed once may not the next time; what lasts is left to the sweep's pace. */
const againMs = 5_000

export function workErasures({ ctx, store, mailer, notifications }: ErasureDeps): Erasures {
  const running = new Map<string, Promise<void>>()
  /** Those whose assistant's host may have something to report; true = it did, while we were at it. */
  const open = new Map<string, boolean>()
  const again = new Set<NodeJS.Timeout>()
  let stopped = false

  const erase = async (userId: string) => {
    do {
      open.set(userId, false)
      const outcome = await eraseAccount({ ctx, store, mailer, input: { userId } })
      if (outcome === 'gone') open.delete(userId)
    } while (open.get(userId) && !stopped)
  }
  const start = (userId: string) => {
    if (stopped || running.has(userId)) return
    const erasing = erase(userId)
      .catch((err: unknown) => {
        ctx.log.error({ err }, 'an account could not be erased yet')
        const timer = setTimeout(() => {
          again.delete(timer)
          start(userId)
        }, againMs)
        again.add(timer)
      })
      .finally(() => running.delete(userId))
    running.set(userId, erasing)
  }
  const look = async () => {
    const due = await waitingErasures({ ctx })
    for (const { userId } of due) start(userId)
    await inTransaction(ctx, async (tx) => {
      const late = due.filter(({ since }) => since.getTime() < ctx.clock.now() - lateMs).length
      if (late === 0) return endAlert({ tx, cause: 'erasures_late' })
      await raiseAlert({
        tx,
        cause: 'erasures_late',
        detail: `${late} accounts wait to be erased for over a day.`,
      })
    })
  }
  const hear = () =>
    void look().catch((err: unknown) => ctx.log.error({ err }, 'erasures could not be looked up'))
  const offs = [
    notifications.on('erasures', hear),
    notifications.on('assistant', (userId) => {
      if (!open.has(userId)) return
      open.set(userId, true)
      start(userId)
    }),
  ]
  return {
    sweep: look,
    async stop() {
      stopped = true
      for (const off of offs) off()
      for (const timer of again) clearTimeout(timer)
      await Promise.all(running.values())
    },
  }
}
