import type { Channel } from '@yourclaw/db'
import type { ProviderKey } from '@yourclaw/proto/host/v1'
import type { Ctx } from '../context.ts'
import type { Notifications } from '../lib/notifications.ts'
import type { Vault } from '../lib/vault.ts'
import type { OnFirstReady } from '../services/assistant/apply-observed.ts'
import type { Authority } from './authority.ts'

export interface ClaimedTurn {
  turnId: string
  assistantId: string
  userId: string
  attempt: number
  traceParent: string | null
}

export interface TurnInputMessages {
  /** `at` in milliseconds since the epoch. */
  messages: { text: string; at: number }[]
  history: { fromAssistant: boolean; text: string }[]
  userId: string
  channel: Channel
  address: string
  replyTo: string | null
}

/** The conversation verbs that the relay calls. All throw stale_epoch when a newer session of the host took over. */
export interface Conversation {
  claimTurns(call: {
    ctx: Ctx
    input: { hostId: string; sessionEpoch: bigint; limit: number }
  }): Promise<ClaimedTurn[]>
  adoptTurns(call: {
    ctx: Ctx
    input: { hostId: string; sessionEpoch: bigint; heldTurnIds: string[] }
  }): Promise<ClaimedTurn[]>
  readTurnInput(call: {
    ctx: Ctx
    input: { turnId: string; sessionEpoch: bigint; withHistory: boolean }
  }): Promise<TurnInputMessages>
  finishTurn(call: {
    ctx: Ctx
    input: { turnId: string; sessionEpoch: bigint; text: string }
  }): Promise<unknown>
  /** The session's running turns that somebody wants stopped. */
  turnsToStop(call: { ctx: Ctx; input: { hostId: string; sessionEpoch: bigint } }): Promise<string[]>
  failTurn(call: {
    ctx: Ctx
    input: { turnId: string; sessionEpoch: bigint; code: string; retryable: boolean }
  }): Promise<{ retryAfterMs: number | null; attempt: number }>
}

/** An answer on its way: `text` is all of it so far, empty when the turn has just begun. */
export interface TurnProgress {
  turnId: string
  userId: string
  channel: Channel
  address: string
  /** The provider's id of the newest message that is answered. */
  replyTo: string | null
  text: string
}

export interface FleetDeps {
  ctx: Ctx
  vault: Vault
  authority: Authority
  notifications: Notifications
  conversation: Conversation
  /** The platform's keys, sent to hosts with every snapshot. */
  sharedKeys: ProviderKey[]
  /** Names this process in host_sessions. */
  replica: string
  onFirstReady: OnFirstReady
  /** Typing and live preview; a slow one slows that turn's stream down, a failing one is only logged. */
  onProgress: (progress: TurnProgress) => void | Promise<void>
  /** Turns a host runs at once. */
  maxTurnsPerHost: number
  sweepMs: number
  resyncMs: number
}
