import type { Allowance, AssistantSpec, KeyRefused, Observed, UsageCount } from '@yourclaw/proto/host/v1'
import { inTransaction } from '../context.ts'
import type { Vault } from '../lib/vault.ts'
import { markRefused } from '../services/api-key/mark-refused.ts'
import { applyObserved, type OnFirstReady } from '../services/assistant/apply-observed.ts'
import { desiredGenerations, desiredState } from '../services/assistant/desired-state.ts'
import { type Placement, placeWaiting } from '../services/assistant/place-waiting.ts'
import { recountSlots } from '../services/assistant/take-slot.ts'
import type { ConversationCtx } from '../services/conversation/ctx.ts'
import { keepPartials, type PartialAnswer } from '../services/conversation/keep-partials.ts'
import { endStopped } from '../services/conversation/stop-turn.ts'
import { readAllowances } from '../services/credit/allowances.ts'
import {
  closeHostSession,
  type HostCapacity,
  heartbeat,
  type OpenHostSessionInput,
  openHostSession,
} from '../services/host/host-session.ts'
import { type HostStanding, readStanding } from '../services/host/standing.ts'
import { storeUsage } from '../services/usage/store-usage.ts'

interface SessionId {
  hostId: string
  epoch: bigint
}

/** The verbs about hosts and assistants that a session calls; see each for its errors. */
export interface HostVerbs {
  openSession(input: OpenHostSessionInput): Promise<{ epoch: bigint }>
  standing(input: { hostId: string; serial: string }): Promise<HostStanding>
  heartbeat(input: SessionId & { capacity: HostCapacity | undefined; leaseMs: number }): Promise<void>
  /** `partials`: what was streamed of answers that are being written. What somebody wants stopped is then over. */
  closeSession(input: SessionId & { partials: PartialAnswer[] }): Promise<void>
  placeWaiting(): Promise<Pick<Placement, 'passedOver'>>
  /** Sets the host's count of taken slots right. */
  recount(hostId: string): Promise<unknown>
  desiredState(input: { hostId: string; assistantIds?: string[] }): Promise<AssistantSpec[]>
  desiredGenerations(input: { hostId: string }): Promise<Map<string, number>>
  applyObserved(input: { hostId: string; sessionEpoch: bigint; observed: Observed }): Promise<unknown>
  storeUsage(input: { hostId: string; counts: readonly UsageCount[] }): Promise<void>
  allowances(input: { hostId: string }): Promise<Allowance[]>
  /** Hosts with a living session, on any replica. */
  liveHosts(): Promise<number>
  keyRefused(input: { hostId: string; refused: KeyRefused }): Promise<void>
}

export function hostVerbs(deps: {
  ctx: ConversationCtx
  vault: Vault
  onFirstReady: OnFirstReady
}): HostVerbs {
  const { ctx } = deps
  return {
    openSession: (input) => openHostSession({ ctx, input }),
    standing: (input) => readStanding({ ctx, input }),
    heartbeat: (input) => heartbeat({ ctx, input }),
    async closeSession({ partials, hostId, epoch }) {
      try {
        await keepPartials({ ctx, input: { sessionEpoch: epoch, partials } })
      } finally {
        await closeHostSession({ ctx, input: { hostId, epoch } })
      }
      await endStopped({ ctx })
    },
    placeWaiting: () => placeWaiting({ ctx }),
    recount: (hostId) => inTransaction(ctx, (tx) => recountSlots(tx, hostId)),
    desiredState: (input) => desiredState({ ...deps, input }),
    desiredGenerations: (input) => desiredGenerations({ ctx, input }),
    applyObserved: (input) => applyObserved({ ...deps, input }),
    storeUsage: (input) => storeUsage({ ctx, input }),
    allowances: (input) => readAllowances({ ctx, input }),
    liveHosts: () =>
      ctx.db.hostSession.count({ where: { leaseExpiresAt: { gt: new Date(ctx.clock.now()) } } }),
    keyRefused: (input) => markRefused({ ...deps, input }),
  }
}
