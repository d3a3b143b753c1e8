import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { Kinds, Objects, StripeEvent } from '../objects.ts'
import { signatureHeader } from './signature.ts'

const firstBackoffMs = 250
const longestBackoffMs = 5_000
const answerDeadlineMs = 30_000

export const deliveryOrder = z.object({
  /** `hold` keeps events back until they are released, `drop` never delivers them. */
  mode: z.enum(['send', 'hold', 'drop']).default('send'),
  /** Event types that it is about; without it, all. */
  types: z.array(z.string()).optional(),
  /** How often each event is delivered. */
  repeat: z.int().min(1).max(10).default(1),
})
type DeliveryOrder = z.infer<typeof deliveryOrder>

export interface Delivery {
  eventId: string
  type: string
  url: string
  state: 'held' | 'dropped' | 'waiting' | 'delivered'
  attempts: number
  /** The last answer; null when there was none. */
  status: number | null
}

/**
 * Posts signed events to the webhook endpoints: in the order of events unless told otherwise, each again with backoff
 * until it is answered with 2xx. One that fails does not hold up the next.
 */
export class Deliveries {
  readonly #objects: Objects
  #order: DeliveryOrder = deliveryOrder.parse({})
  #held: StripeEvent[] = []
  #first: Promise<unknown> = Promise.resolve()
  #stopped = new AbortController()
  all: Delivery[] = []

  constructor(objects: Objects) {
    this.#objects = objects
  }

  /** How new events are delivered, until reset. */
  command(order: DeliveryOrder): void {
    this.#order = order
  }

  /** Forgets what waits and every command; the endpoints stay. */
  clear(): void {
    this.#order = deliveryOrder.parse({})
    this.#held = []
    this.all = []
    this.stop()
    this.#stopped = new AbortController()
  }

  stop(): void {
    this.#stopped.abort()
  }

  push(event: StripeEvent): void {
    const { mode, types, repeat } = this.#order
    const isMeant = types === undefined || types.includes(event.type)
    if (isMeant && mode === 'hold') this.#held.push(event)
    for (let count = 0; count < (isMeant ? repeat : 1); count += 1) {
      if (isMeant && mode !== 'send') this.#note(event, mode === 'hold' ? 'held' : 'dropped')
      else this.send(event)
    }
  }

  /** Sends what was held, in the order given by ids, or as it came, or backwards. Returns how many. */
  release(order: 'created' | 'reversed' | string[], repeat: number): number {
    const held = this.#held
    this.#held = []
    this.all = this.all.filter(({ state }) => state !== 'held')
    const byId = (ids: string[]) => ids.flatMap((id) => held.filter((event) => event.id === id))
    const ordered = Array.isArray(order) ? byId(order) : order === 'reversed' ? held.reverse() : held
    for (let count = 0; count < repeat; count += 1) for (const event of ordered) this.send(event)
    return ordered.length * repeat
  }

  /** Delivers to every endpoint that asked for this type, whatever the command in force. */
  send(event: StripeEvent): void {
    for (const endpoint of this.#objects.all('webhook_endpoint')) {
      if (!wants(endpoint, event.type)) continue
      const delivery = this.#note(event, 'waiting', endpoint.url)
      const secret = endpoint.secret ?? ''
      // First attempts leave one after the other, so that events arrive as they happened.
      this.#first = this.#first.then(() => this.#attempt(event, delivery, secret, this.#stopped.signal))
    }
  }

  #note(event: StripeEvent, state: Delivery['state'], url = ''): Delivery {
    const delivery: Delivery = { eventId: event.id, type: event.type, url, state, attempts: 0, status: null }
    this.all.push(delivery)
    return delivery
  }

  async #attempt(event: StripeEvent, delivery: Delivery, secret: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    delivery.attempts += 1
    delivery.status = await post(delivery.url, secret, event, signal)
    if (delivery.status !== null && delivery.status < 300) {
      delivery.state = 'delivered'
      event.pending_webhooks = Math.max(0, event.pending_webhooks - 1)
      return
    }
    const backoffMs = Math.min(firstBackoffMs * 2 ** (delivery.attempts - 1), longestBackoffMs)
    void sleep(backoffMs, undefined, { signal })
      .then(() => this.#attempt(event, delivery, secret, signal))
      .catch(() => undefined)
  }
}

/** Whether events of that type go to this endpoint. */
export function wants({ status, enabled_events: types }: Kinds['webhook_endpoint'], type: string): boolean {
  return status === 'enabled' && (types.includes('*') || types.includes(type))
}

/** The status of the answer. Signed anew for each attempt, at the real time: receivers refuse an old signature. */
async function post(
  url: string,
  secret: string,
  event: StripeEvent,
  signal: AbortSignal,
): Promise<number | null> {
  const payload = JSON.stringify(event, undefined, 2)
  try {
    const response = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      headers: {
        'content-type': 'application/json; charset=utf-8',
        'user-agent': 'Stripe/1.0 (+https://stripe.com/docs/webhooks)',
        'stripe-signature': signatureHeader(secret, payload, Math.floor(Date.now() / 1000)),
      },
      body: payload,
      signal: AbortSignal.any([AbortSignal.timeout(answerDeadlineMs), signal]),
    })
    await response.arrayBuffer()
    return response.status
  } catch {
    return null
  }
}
