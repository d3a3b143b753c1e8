import type { Backlog } from './read-backlog.ts'

/** One part of the service: whether it does its work, and in words what is wrong or worth knowing. */
export interface Check {
  ok: boolean
  /** For everybody to read: figures, no names. */
  detail?: string
}

/** A turn that a host could take is taken within seconds; a delivery's backoff grows to ten minutes. */
const turnLimitMs = 120_000
const deliveryLimitMs = 15 * 60_000
/** People who block the bot make a dead letter each: a few are normal, more mean that a provider refuses us. */
export const deadPerHourLimit = 5
/** Leases are renewed every ten seconds for thirty: with less than this left, two signs of life are missing. */
const leaseLimitMs = 10_000

/** Reads what is wrong out of a backlog (O2). */
export function findProblems(backlog: Backlog) {
  return {
    queue: checkTurns(backlog),
    deliveries: checkDeliveries(backlog),
    deadLetters: checkDeadLetters(backlog),
    hosts: checkHosts(backlog),
  } satisfies Record<string, Check>
}

function checkTurns({ turns }: Backlog): Check {
  if (turns.oldestWaitingMs <= turnLimitMs) return { ok: true }
  const age = duration(turns.oldestWaitingMs)
  return {
    ok: false,
    detail: `${count(turns.waiting, 'turn')} open, the oldest has waited ${age} for a host`,
  }
}

function checkDeliveries({ deliveries }: Backlog): Check {
  if (deliveries.oldestPendingMs <= deliveryLimitMs) return { ok: true }
  const age = duration(deliveries.oldestPendingMs)
  return {
    ok: false,
    detail: `${count(deliveries.pending, 'part')} of messages to send, the oldest for ${age}`,
  }
}

function checkDeadLetters({ deliveries, queues }: Backlog): Check {
  const kept = queues
    .filter(({ name }) => name.endsWith('-dead'))
    .reduce((sum, { waiting }) => sum + waiting, 0)
  const ok = deliveries.deadLastHour <= deadPerHourLimit
  if (ok && kept === 0) return { ok }
  const recent = deliveries.deadLastHour
  return { ok, detail: `${count(kept, 'dead letter')} kept for an operator, ${recent} of the last hour` }
}

function checkHosts({ hosts }: Backlog): Check {
  const connected = hosts.filter(({ leaseMs }) => leaseMs > 0)
  if (connected.length === 0) return { ok: false, detail: 'no host is connected' }
  const away = hosts.filter(({ leaseMs, assistants }) => leaseMs === 0 && assistants > 0)
  const fading = connected.filter(({ leaseMs }) => leaseMs < leaseLimitMs)
  const waiting = away.reduce((sum, { assistants }) => sum + assistants, 0)
  const problems = [
    ...(away.length > 0 ? [`${count(away.length, 'host')} away with ${count(waiting, 'assistant')}`] : []),
    ...(fading.length > 0 ? [`${count(fading.length, 'host')} silent, the session is about to end`] : []),
  ]
  if (problems.length === 0) return { ok: true, detail: `${connected.length} connected` }
  return { ok: false, detail: `${connected.length} connected, ${problems.join(', ')}` }
}

const count = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`

function duration(ms: number): string {
  const seconds = Math.round(ms / 1000)
  return seconds < 600 ? `${seconds} s` : `${Math.round(seconds / 60)} min`
}
