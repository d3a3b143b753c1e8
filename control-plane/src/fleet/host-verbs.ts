import type { AssistantSpec, Observed } from '@yourclaw/proto/host/v1'
import type { Ctx } from '../context.ts'
import type { Vault } from '../lib/vault.ts'
import { applyObserved, type OnFirstReady } from '../services/assistant/apply-observed.ts'
import { desiredGenerations, desiredState } from '../services/assistant/desired-state.ts'
import { placeWaiting } from '../services/assistant/place-waiting.ts'
import {
  closeHostSession,
  type HostCapacity,
  heartbeat,
  newestEpoch,
  type OpenHostSessionInput,
  openHostSession,
} from '../services/host/host-session.ts'
import { identifyHost } from '../services/host/identify-host.ts'

interface SessionId {
  hostId: string
  epoch: bigint
}

/** The verbs about hosts and assistants that a session calls; see each for its errors. */
export interface HostVerbs {
  openSession(input: OpenHostSessionInput): Promise<{ epoch: bigint }>
  newestEpoch(hostId: string): Promise<bigint | undefined>
  heartbeat(input: SessionId & { capacity: HostCapacity | undefined; leaseMs: number }): Promise<void>
  closeSession(input: SessionId): Promise<void>
  /** Throws unauthenticated for a certificate that does not count any more. */
  identify(input: { serial: string }): Promise<unknown>
  placeWaiting(): Promise<unknown>
  desiredState(input: { hostId: string; assistantIds?: string[] }): Promise<AssistantSpec[]>
  desiredGenerations(input: { hostId: string }): Promise<Map<string, number>>
  applyObserved(input: { hostId: string; sessionEpoch: bigint; observed: Observed }): Promise<unknown>
}

export function hostVerbs(deps: { ctx: Ctx; vault: Vault; onFirstReady: OnFirstReady }): HostVerbs {
  const { ctx } = deps
  return {
    openSession: (input) => openHostSession({ ctx, input }),
    newestEpoch: (hostId) => newestEpoch({ ctx, input: { hostId } }),
    heartbeat: (input) => heartbeat({ ctx, input }),
    closeSession: (input) => closeHostSession({ ctx, input }),
    identify: (input) => identifyHost({ ctx, input }),
    placeWaiting: () => placeWaiting({ ctx }),
    desiredState: (input) => desiredState({ ...deps, input }),
    desiredGenerations: (input) => desiredGenerations({ ctx, input }),
    applyObserved: (input) => applyObserved({ ...deps, input }),
  }
}
