import { type Keepable, refill } from '../kept.ts'
import type { Choices } from './contents.ts'
import type { Message } from './messages.ts'

/** One thing our side did towards a person; the shape of GET /sim/whatsapp/{address}/messages. */
export interface BusinessEvent {
  sid: string
  kind: 'message' | 'template' | 'typing'
  /** As the phone shows it. */
  body: string
  status: Message['status'] | 'shown'
  errorCode?: number
  /** Contents only; a template is one that may be sent at any time. */
  contentSid?: string
  /** What can be pressed: POST /sim/whatsapp/{address}/buttons. */
  choices?: Choices
  /** What came with it, once it was fetched; its bytes are at `url`, a path of the sandbox. */
  file?: EventFile
  at: string
  request: { path: string; body: Record<string, string> }
}

export interface EventFile {
  mimeType: string
  sizeBytes: number
  url: string
}

/** One thing the person sent. */
export interface PersonEvent {
  sid: string
  kind: 'text' | 'image' | 'audio' | 'document' | 'sticker' | 'location' | 'interactive'
  body: string
  file?: EventFile
  at: string
  /** The webhook took it. */
  delivered: boolean
  /** Our side marked it as read. */
  read: boolean
  failedAttempts: number
  request: Record<string, string>
}

/** Both sides of every conversation, by the person's address. */
export class Chats implements Keepable {
  readonly #business = new Map<string, BusinessEvent[]>()
  readonly #person = new Map<string, PersonEvent[]>()

  save(): object {
    return { business: this.#business, person: this.#person }
  }

  load(saved: { business: Map<string, BusinessEvent[]>; person: Map<string, PersonEvent[]> }): void {
    refill(this.#business, saved.business)
    refill(this.#person, saved.person)
  }

  addBusiness(address: string, event: BusinessEvent): void {
    this.#business.set(address, [...this.business(address), event])
  }

  addPerson(address: string, event: PersonEvent): void {
    this.#person.set(address, [...this.person(address), event])
  }

  business(address: string): BusinessEvent[] {
    return this.#business.get(address) ?? []
  }

  person(address: string): PersonEvent[] {
    return this.#person.get(address) ?? []
  }

  clear(): void {
    this.#business.clear()
    this.#person.clear()
  }
}
