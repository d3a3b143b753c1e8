import type { BotCommand } from '@grammyjs/types'
import type { People } from '../people.ts'
import { type BotEventListener, type ChatState, Chats } from './chats.ts'
import { Files } from './files.ts'
import { Webhook } from './webhook.ts'

/** Everything Telegram knows about the one bot. All tokens reach it, so that no test needs to agree on one. */
export class Bot {
  readonly username: string
  readonly chats: Chats
  readonly files = new Files()
  readonly webhook = new Webhook()
  commands: BotCommand[] = []
  /** Presses on buttons that the bot has not answered yet, by id, with their chat. */
  readonly queries = new Map<string, ChatState>()
  // Never one of an earlier run, which the other side may remember: ten a second for the time that passed.
  #lastUpdateId = Math.floor((Date.now() - Date.UTC(2026, 0)) / 100)

  constructor(people: People, username: string, onEvent?: BotEventListener) {
    this.chats = new Chats(people, onEvent)
    this.username = username
  }

  nextUpdateId(): number {
    this.#lastUpdateId += 1
    return this.#lastUpdateId
  }

  clear(): void {
    this.chats.clear()
    this.webhook.clear()
    this.queries.clear()
  }
}
