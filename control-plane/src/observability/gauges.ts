import { Gauge, type Registry } from 'prom-client'
import type { Ctx } from '../context.ts'
import { type Backlog, readBacklog } from '../services/operation/read-backlog.ts'

const readDeadlineMs = 5_000

/** Figures that are read when somebody asks. They are about the whole database, so every replica shows the same. */
export function registerGauges(registry: Registry, ctx: Ctx): void {
  const registers = [registry]
  const read = perScrape(() => readBacklog({ ctx }))
  const gauge = <L extends string>(
    name: string,
    help: string,
    labelNames: L[],
    set: (target: Gauge<L>, backlog: Backlog) => void,
  ) =>
    new Gauge<L>({
      name: `yourclaw_${name}`,
      help,
      labelNames,
      registers,
      async collect() {
        this.reset()
        const backlog = await read()
        // A figure that cannot be read is left out: an old one would look well.
        if (backlog) set(this, backlog)
        else if (labelNames.length === 0) this.set(Number.NaN)
      },
    })

  gauge('open_turns', 'Turns that have not ended.', ['state'], (target, { turns }) => {
    target.set({ state: 'waiting' }, turns.waiting)
    target.set({ state: 'running' }, turns.running)
  })
  gauge('oldest_waiting_turn_seconds', 'Age of the oldest turn a host could take.', [], (target, { turns }) =>
    target.set(turns.oldestWaitingMs / 1000),
  )
  gauge('pending_deliveries', 'Parts of messages that wait to be sent.', [], (target, { deliveries }) =>
    target.set(deliveries.pending),
  )
  gauge('oldest_pending_delivery_seconds', 'Age of the oldest of them.', [], (target, { deliveries }) =>
    target.set(deliveries.oldestPendingMs / 1000),
  )
  gauge(
    'queue_jobs',
    'Jobs that nobody works on yet; dead letters wait for you.',
    ['queue'],
    (target, all) => {
      for (const { name, waiting } of all.queues) target.set({ queue: name }, waiting)
    },
  )
  gauge('queue_oldest_job_seconds', 'Age of the oldest of them.', ['queue'], (target, all) => {
    for (const { name, oldestMs } of all.queues) target.set({ queue: name }, oldestMs / 1000)
  })
  gauge('alerts', 'What lasts and needs an operator.', ['kind'], (target, { alerts }) => {
    for (const { kind, open } of alerts) target.set({ kind }, open)
  })
  gauge('host_connected', '1 while the host has a live session.', ['host'], (target, { hosts }) => {
    for (const { name, leaseMs } of hosts) target.set({ host: name }, leaseMs > 0 ? 1 : 0)
  })
  gauge('host_capacity_assistants', 'Most assistants a host takes.', ['host'], (target, { hosts }) => {
    for (const { name, capacity } of hosts) target.set({ host: name }, capacity)
  })
  gauge('host_assistants', 'Assistants placed on a host.', ['host'], (target, { hosts }) => {
    for (const { name, assistants } of hosts) target.set({ host: name }, assistants)
  })
}

/** Gauges are collected all at once: they share one look, and a database that hangs delays a scrape only so long. */
function perScrape(look: () => Promise<Backlog>): () => Promise<Backlog | undefined> {
  let current: Promise<Backlog | undefined> | undefined
  return () => {
    current ??= withDeadline(look()).finally(() => {
      current = undefined
    })
    return current
  }
}

function withDeadline(reading: Promise<Backlog>): Promise<Backlog | undefined> {
  const passed = Promise.withResolvers<undefined>()
  const deadline = setTimeout(() => passed.resolve(undefined), readDeadlineMs)
  return Promise.race([reading.catch(() => undefined), passed.promise]).finally(() => clearTimeout(deadline))
}
