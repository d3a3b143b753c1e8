import type { Channel } from '@yourclaw/db'
import type { CallToolResponse, Provider, ProviderKey, ToolDefinition } from '@yourclaw/proto/host/v1'
import type { Ctx } from '../context.ts'
import type { Notifications } from '../lib/notifications.ts'
import type { ConversationCtx } from '../services/conversation/ctx.ts'
import type { AnsweredTurn } from '../services/conversation/finish-turn.ts'
import type { ClaimedOperation } from '../services/host-operation/claim-operations.ts'
import type { OperationResult } from '../services/host-operation/finish-operation.ts'
import type { Incoming } from '../services/host-operation/store-archive.ts'
import type { Spoken, Taken } from '../services/speech/take-spoken.ts'
import type { TurnAudience } from './audience.ts'
import type { Authority } from './authority.ts'
import type { HostVerbs } from './host-verbs.ts'

export interface ClaimedTurn {
  turnId: string
  assistantId: string
  userId: string
  attempt: number
  /** Which of the assistant's conversations it belongs to. */
  conversation: number
  traceParent: string | null
  /** When the oldest message it answers arrived. */
  receivedAt: Date
  /** What it answers, without history; absent for a turn that was taken over. */
  input?: TurnInputMessages
  /** Of a turn that was taken over: what had been streamed of its answer. */
  partialText?: string
}

/** Places for turns of one host; kept until `take` is called, with what was claimed or with nothing. */
export interface TurnPlaces {
  reserve(most: number): { places: number; sessionEpoch: bigint; take(turns: ClaimedTurn[]): void }
}

export interface TurnInputMessages {
  /** `at` in milliseconds since the epoch. */
  messages: { text: string; at: number }[]
  history: { fromAssistant: boolean; text: string }[]
  userId: string
  channel: Channel
  address: string
  replyTo: string | null
  /** There is more to it than words: prepareTurn comes first. */
  hasMore: boolean
}

/** A file on its way to an assistant: into its workspace, or, without a path, to be shown to the model. */
export interface HandedFile {
  path: string
  mimeType: string
  sizeBytes: number
  open(): Promise<AsyncIterable<Uint8Array>>
}

export interface FailedAttempt {
  /** Null = the turn is over. */
  retryAfterMs: number | null
  attempt: number
  /** `waiting`: it is not over for the person, and somebody answers later. */
  outcome: 'waiting' | 'failed' | 'canceled'
}

/** The conversation verbs that the relay calls. All throw stale_epoch when a newer session of the host took over. */
export interface Conversation {
  claimTurns(call: {
    ctx: Ctx
    input: { hostId: string; sessionEpoch: bigint; limit: number }
  }): Promise<{ turns: ClaimedTurn[]; passedOver: boolean }>
  adoptTurns(call: { ctx: Ctx; input: { hostId: string; sessionEpoch: bigint } }): Promise<ClaimedTurn[]>
  readTurnInput(call: {
    ctx: Ctx
    input: {
      turnId: string
      sessionEpoch: bigint
      withHistory: boolean
      claimed?: TurnInputMessages | undefined
    }
  }): Promise<TurnInputMessages>
  /** Fetches what the messages brought along; the input tells of it afterwards. */
  prepareTurn(call: { ctx: Ctx; input: { turnId: string; signal: AbortSignal } }): Promise<HandedFile[]>
  finishTurn(call: {
    ctx: Ctx
    input: { turnId: string; sessionEpoch: bigint; turn?: AnsweredTurn | undefined; text: string }
  }): Promise<unknown>
  /** The turns that run under the session, whether anybody here holds them or not. */
  runningTurns(call: { ctx: Ctx; input: { hostId: string; sessionEpoch: bigint } }): Promise<string[]>
  /** The session's running turns that somebody wants stopped. */
  turnsToStop(call: { ctx: Ctx; input: { hostId: string; sessionEpoch: bigint } }): Promise<string[]>
  failTurn(call: {
    ctx: Ctx
    input: { turnId: string; sessionEpoch: bigint; code: string; retryable: boolean; partialText?: string }
  }): Promise<FailedAttempt>
}

/** The verbs about operations that a session calls; see each for its errors. */
export interface Operations {
  claim(input: { hostId: string; sessionEpoch: bigint; limit: number }): Promise<ClaimedOperation[]>
  store(input: { operationId: string; incoming: Incoming; signal: AbortSignal }): Promise<OperationResult>
  finish(input: {
    operationId: string
    hostId: string
    sessionEpoch: bigint
    result: OperationResult
  }): Promise<void>
}

/** What becomes of what assistants say by themselves; see the verb for its errors. */
export interface SpeechVerbs {
  take(input: { spoken: Spoken; signal: AbortSignal }): Promise<Taken>
}

/** What assistants of a host can do beside their own tools; see each verb for its errors. */
export interface FleetTools {
  list(input: { hostId: string; assistantId: string }): Promise<ToolDefinition[]>
  call(input: {
    hostId: string
    assistantId: string
    name: string
    argumentsJson: string
    /** The assistant waits no longer. */
    signal: AbortSignal
  }): Promise<CallToolResponse>
}

export interface FleetDeps {
  ctx: Ctx & Pick<ConversationCtx, 'pool'>
  authority: Authority
  notifications: Pick<Notifications, 'on'>
  hosts: HostVerbs
  conversation: Conversation
  operations: Operations
  speech: SpeechVerbs
  tools: FleetTools
  /** The platform's keys, sent to hosts with every snapshot. */
  sharedKeys: ProviderKey[]
  /** Sessions say here where turns that were claimed for their hosts are taken. */
  hostsHere: Map<string, TurnPlaces>
  /** Hears of those, and may give them another trace. */
  onClaimed: (turns: ClaimedTurn[]) => ClaimedTurn[]
  /** Input tokens a minute that each shared key allows, for all hosts together. */
  tokenRates?: { provider: Provider; perMinute: number }[]
  /** Names this process in host_sessions. */
  replica: string
  /** Watches turns being answered; made by `everyone`, so that it neither throws nor slows a turn down. */
  audience: TurnAudience
  /** Turns a host runs at once. */
  maxTurnsPerHost: number
  timing: FleetTiming
}

export interface FleetTiming {
  /** How often a host gives a sign of life, and gets one back. */
  heartbeatIntervalMs: number
  /** Silence after which a session counts as gone, on either side. */
  sessionLeaseMs: number
  sweepMs: number
  resyncMs: number
  /** Over which a replica that stops sends its hosts away, at most. */
  drainMs: number
  /** Between two hosts that are sent away, at most. */
  drainPaceMs: number
}

export const fleetTiming: FleetTiming = {
  heartbeatIntervalMs: 10_000,
  sessionLeaseMs: 30_000,
  sweepMs: 30_000,
  resyncMs: 10 * 60_000,
  drainMs: 8_000,
  drainPaceMs: 100,
}
