import { type Keepable, refill } from '../kept.ts'
import { Idempotency } from './api/idempotency.ts'
import { newId } from './ids.ts'
import { type AnyObject, Objects, type StripeEvent } from './objects.ts'
import { Deliveries, wants } from './webhooks/deliveries.ts'

export const apiVersion = '2026-10-28.endive'

/** What becomes of a renewal that cannot be paid: tried again after so many days each, with this outcome in the end. */
export interface Dunning {
  retryDays: number[]
  outcome: 'cancel' | 'unpaid' | 'past_due'
}

interface Saved {
  objects: AnyObject[]
  idempotency: never
  cards: Map<string, string>
  announced: Set<string>
  dunning: Dunning
  aheadS: number
  invoices: number
}

/** One Stripe account in test mode, with a clock of its own. Every `sk_…` key reaches it. */
export class Account implements Keepable {
  readonly objects = new Objects()
  readonly idempotency = new Idempotency()
  readonly deliveries = new Deliveries(this.objects)
  /** Which test card a payment method is, by its id. */
  readonly cards = new Map<string, string>()
  /** Subscriptions whose coming trial end was announced. */
  readonly announced = new Set<string>()
  /** What the request under way says of itself in events; null between requests. */
  request: { id: string; idempotency_key: string | null } | null = null
  /** Where the hosted pages are, as the last caller sees it. */
  pages = ''
  dunning: Dunning = { retryDays: [3, 5, 7], outcome: 'cancel' }
  #aheadS = 0
  #frozenAtS: number | undefined
  #invoices = 0

  save(): object {
    const { objects, idempotency, cards, announced, dunning } = this
    const own = { cards, announced, dunning, aheadS: this.#aheadS, invoices: this.#invoices }
    return { objects: objects.save(), idempotency: idempotency.save(), ...own }
  }

  /** What was not delivered yet is delivered from now on. */
  load(saved: Saved): void {
    this.objects.load(saved.objects)
    this.idempotency.load(saved.idempotency)
    refill(this.cards, saved.cards)
    for (const id of saved.announced) this.announced.add(id)
    this.dunning = saved.dunning
    this.#aheadS = saved.aheadS
    this.#invoices = saved.invoices
    for (const event of this.objects.all('event')) if (event.pending_webhooks > 0) this.deliveries.send(event)
  }

  /** Seconds, as all of Stripe's times. */
  nowS(): number {
    return this.#frozenAtS ?? Math.floor(Date.now() / 1000) + this.#aheadS
  }

  /** Runs `work` at a time that has come or that the clock is on its way to. */
  at(timeS: number, work: () => void): void {
    this.#frozenAtS = timeS
    try {
      work()
    } finally {
      this.#frozenAtS = undefined
    }
  }

  advance(seconds: number): void {
    this.#aheadS += seconds
  }

  nextInvoiceNumber(): string {
    this.#invoices += 1
    return `SANDBOX-${String(this.#invoices).padStart(4, '0')}`
  }

  emit(type: string, object: AnyObject, previous?: object): void {
    const endpoints = this.objects.all('webhook_endpoint').filter((endpoint) => wants(endpoint, type))
    const event: StripeEvent & { object: 'event' } = {
      id: newId('evt'),
      object: 'event',
      api_version: apiVersion,
      created: this.nowS(),
      data: { object: structuredClone(object), ...(previous ? { previous_attributes: previous } : {}) },
      livemode: false,
      pending_webhooks: endpoints.length,
      request: this.request ?? { id: null, idempotency_key: null },
      type,
    }
    this.objects.add<'event'>(event)
    this.deliveries.push(event)
  }

  /** Changes an object and says so with what was before; says nothing when nothing changed. */
  update<T extends AnyObject>(type: string, object: T, changes: Partial<T>): void {
    this.change(type, object, () => Object.assign(object, changes))
  }

  /** The same for a change that reaches deeper than the object's own fields. */
  change(type: string, object: AnyObject, work: () => void): void {
    const before = structuredClone(object) as unknown as Record<string, unknown>
    work()
    const now = object as unknown as Record<string, unknown>
    const changed = Object.keys(now).filter((key) => JSON.stringify(before[key]) !== JSON.stringify(now[key]))
    if (changed.length === 0) return
    this.emit(type, object, Object.fromEntries(changed.map((key) => [key, before[key] ?? null])))
  }
}
