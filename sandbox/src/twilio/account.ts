import type { Faults } from '../faults.ts'
import type { Keepable } from '../kept.ts'
import type { People } from '../people.ts'
import { Callbacks } from './callbacks.ts'
import { Chats } from './chats.ts'
import { Contacts } from './contacts.ts'
import { Contents } from './contents.ts'
import { Messages } from './messages.ts'

export interface AccountOptions {
  accountSid: string
  authToken: string
  /** The one WhatsApp sender: `whatsapp:+…`. */
  sender: string
}

/** Everything Twilio and WhatsApp know about the one account with its one sender. */
export class Account implements Keepable {
  readonly accountSid: string
  readonly authToken: string
  readonly sender: string
  readonly contacts: Contacts
  readonly messages = new Messages()
  readonly chats = new Chats()
  readonly contents = new Contents()
  readonly callbacks: Callbacks
  readonly faults: Faults
  /** Where messages of people are posted to; set through the Senders API. */
  webhook: { url: string; statusUrl: string } = { url: '', statusUrl: '' }
  /** Where the addresses of media lead to from now on, in place of the files; a fault. */
  mediaRedirect: string | undefined
  readonly #queues = new Map<string, Promise<unknown>>()

  constructor(people: People, faults: Faults, options: AccountOptions) {
    this.accountSid = options.accountSid
    this.authToken = options.authToken
    this.sender = options.sender
    this.faults = faults
    this.contacts = new Contacts(people)
    this.callbacks = new Callbacks(options.authToken)
  }

  /** What was set of the sender; its parts are kept one by one. */
  save(): Account['webhook'] {
    return this.webhook
  }

  load(saved: Account['webhook']): void {
    this.webhook = saved
  }

  /** Runs what happens to one address one after the other, and addresses side by side. */
  enqueue(key: string, work: () => Promise<unknown>): void {
    const before = this.#queues.get(key) ?? Promise.resolve()
    const next = before.then(work, work).catch((error: unknown) => console.error(error))
    this.#queues.set(key, next)
    void next.then(() => {
      if (this.#queues.get(key) === next) this.#queues.delete(key)
    })
  }

  /** Forgets what was said. Windows, contents and opt-outs stay, as the other side remembers them too. */
  clear(): void {
    this.chats.clear()
    this.messages.clear()
    this.mediaRedirect = undefined
  }

  stop(): void {
    this.callbacks.stop()
  }
}
