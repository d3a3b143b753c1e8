import type { Transaction, TurnState } from '@yourclaw/db'
import { notFound, staleEpoch } from '../../errors.ts'

export interface ClaimedTurn {
  turnId: string
  assistantId: string
  userId: string
  /** From 1. */
  attempt: number
  /** Which of the assistant's conversations it belongs to. */
  conversation: number
  traceParent: string | null
  /** When the oldest message it answers arrived. */
  receivedAt: Date
  /** Of a turn that was taken over: what had been streamed of its answer. */
  partialText?: string
}

export interface TurnRow {
  id: string
  userId: string
  state: TurnState
  attempts: number
  sessionEpoch: bigint | null
  hostServerId: string | null
  traceParent: string | null
  /** The user wants no answer any more. */
  cancelRequestedAt: Date | null
  /** What had been streamed of the answer when the host's session ended. */
  partialText: string | null
}

/** Attempts a turn gets before the user is told that it failed. */
export const maxAttempts = 3

/** Takes the assistant's lock, then reads the turn: nobody else writes either until commit. */
export async function lockTurn(tx: Transaction, turnId: string): Promise<TurnRow> {
  const [owner] = await tx.$queryRaw<{ userId: string }[]>`
    SELECT user_id AS "userId" FROM assistants
    WHERE id = (SELECT assistant_id FROM turns WHERE id = ${turnId}::uuid) FOR UPDATE`
  if (!owner) throw notFound('No such turn.', 'turn_unknown')
  // A statement of its own, so that it sees what the holder of the lock before us wrote.
  const turn = await tx.turn.findUniqueOrThrow({
    where: { id: turnId },
    select: {
      id: true,
      state: true,
      attempts: true,
      sessionEpoch: true,
      hostServerId: true,
      traceParent: true,
      cancelRequestedAt: true,
      partialText: true,
    },
  })
  return { ...turn, ...owner }
}

/** A write of a turn counts only while it runs under the session that writes. */
export function assertRunningUnder(
  turn: Pick<TurnRow, 'state' | 'sessionEpoch'>,
  sessionEpoch: bigint,
): void {
  if (turn.state !== 'RUNNING' || turn.sessionEpoch !== sessionEpoch) throw staleEpoch()
}

/** False when a newer session of the host took over; true keeps it from doing so until commit. */
export async function holdSession(tx: Transaction, hostId: string, sessionEpoch: bigint): Promise<boolean> {
  const rows = await tx.$queryRaw<{ epoch: bigint }[]>`
    SELECT epoch FROM host_sessions WHERE host_id = ${hostId}::uuid FOR SHARE`
  return rows[0]?.epoch === sessionEpoch
}

/** Nobody can tell the host anything at the moment. */
export async function isHostAway(tx: Transaction, hostId: string | null, now: Date): Promise<boolean> {
  if (hostId === null) return true
  return (await tx.hostSession.count({ where: { hostId, leaseExpiresAt: { gt: now } } })) === 0
}

/** Where the answer goes: the address the newest message of the turn came from. */
export async function turnRecipient(tx: Transaction, turnId: string) {
  return tx.message.findFirst({
    where: { turnId, direction: 'INBOUND' },
    orderBy: { seq: 'desc' },
    select: { channel: true, address: true },
  })
}
