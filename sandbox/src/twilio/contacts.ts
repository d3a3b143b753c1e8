import { type Keepable, refill } from '../kept.ts'
import type { People } from '../people.ts'

/** How long free text may be sent after a person last wrote. */
const windowMs = 24 * 60 * 60_000

interface Contact {
  lastInboundAtMs: number | undefined
  optedOut: boolean
}

/** What WhatsApp knows of the people it reaches, by address. Its clock can be moved on, to close windows. */
export class Contacts implements Keepable {
  readonly #people: People
  readonly #contacts = new Map<string, Contact>()
  #advancedMs = 0

  constructor(people: People) {
    this.#people = people
  }

  save(): object {
    return { contacts: this.#contacts, advancedMs: this.#advancedMs }
  }

  load({ contacts, advancedMs }: { contacts: Map<string, Contact>; advancedMs: number }): void {
    refill(this.#contacts, contacts)
    this.#advancedMs = advancedMs
  }

  nowMs(): number {
    return Date.now() + this.#advancedMs
  }

  advance(seconds: number): void {
    this.#advancedMs += seconds * 1000
  }

  profileName(address: string): string {
    return this.#people.byWhatsapp(address)?.name ?? `User ${address.slice('whatsapp:'.length)}`
  }

  /** On WhatsApp: a number that is no person's here, or a business-scoped id, has to have written first. */
  exists(address: string): boolean {
    return this.#contacts.has(address) || this.#people.byWhatsapp(address) !== undefined
  }

  heardFrom(address: string): void {
    this.#of(address).lastInboundAtMs = this.nowMs()
  }

  setOptedOut(address: string, optedOut: boolean): void {
    this.#of(address).optedOut = optedOut
  }

  isOptedOut(address: string): boolean {
    return this.#contacts.get(address)?.optedOut ?? false
  }

  isWindowOpen(address: string): boolean {
    const lastInboundAtMs = this.#contacts.get(address)?.lastInboundAtMs
    return lastInboundAtMs !== undefined && this.nowMs() - lastInboundAtMs < windowMs
  }

  #of(address: string): Contact {
    const known = this.#contacts.get(address) ?? { lastInboundAtMs: undefined, optedOut: false }
    this.#contacts.set(address, known)
    return known
  }
}
