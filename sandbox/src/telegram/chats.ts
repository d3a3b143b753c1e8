import type { Chat, InlineKeyboardMarkup, MessageEntity, User } from '@grammyjs/types'
import { type Keepable, refill } from '../kept.ts'
import type { People } from '../people.ts'
import { badRequest } from './errors.ts'

/** One thing the bot did in a chat; the shape of GET /sim/telegram/{id}/messages. */
export interface BotEvent {
  /** message_id; for a draft its draft_id; for an action 0. */
  id: number
  kind: 'message' | 'edit' | 'draft' | 'action' | 'media' | 'deletion' | 'reaction' | 'notice'
  /** As the bot sent it; for an action its name. */
  text: string
  /** What the person reads, after entity parsing. */
  plainText: string
  parseMode?: string
  /** The buttons below a message, row by row. */
  buttons?: Button[][]
  /** A draft that the person can stop. */
  canStop?: boolean
  /** What came with it; its bytes are at `url`, a path of the sandbox. */
  file?: { name: string; mimeType: string; sizeBytes: number; url: string }
  at: string
  request: { method: string; body: unknown }
}

export interface Button {
  text: string
  /** What a press sends back; absent on a button that opens an address. */
  data?: string
}

export type BotEventListener = (telegramUserId: number, event: BotEvent) => void

/** One thing the person sent. */
export interface PersonEvent {
  id: number
  kind:
    | 'text'
    | 'photo'
    | 'voice'
    | 'audio'
    | 'video'
    | 'document'
    | 'location'
    | 'contact'
    | 'sticker'
    | 'edit'
    | 'reaction'
    | 'button'
    | 'stop'
  text: string
  /** What came with it, at `url`, a path of the sandbox. */
  file?: { name: string; mimeType: string; sizeBytes: number; url: string }
  at: string
  delivered: boolean
  failedAttempts: number
  request: unknown
}

/** The changing part of a message of the bot, as the Bot API has it. */
export interface SentMessage {
  date: number
  text?: string
  entities?: MessageEntity[]
  caption?: string
  caption_entities?: MessageEntity[]
  photo?: object[]
  document?: object
  voice?: object
  reply_markup?: InlineKeyboardMarkup
}

export interface ChatState {
  chat: Chat
  owner: number
  sent: Map<number, SentMessage>
}

interface Saved {
  chats: Map<number, ChatState>
  usernames: Map<number, string>
  fromBot: Map<number, BotEvent[]>
  fromPerson: Map<number, PersonEvent[]>
  lastMessageId: number
}

/** The chats the bot can reach, and everything said in them, kept under the person's Telegram id. */
export class Chats implements Keepable {
  #people: People
  #onEvent: BotEventListener
  #chats = new Map<number, ChatState>()
  #usernames = new Map<number, string>()
  #fromBot = new Map<number, BotEvent[]>()
  #fromPerson = new Map<number, PersonEvent[]>()
  #lastMessageId = 0

  constructor(people: People, onEvent: BotEventListener = () => {}) {
    this.#people = people
    this.#onEvent = onEvent
  }

  save(): Saved {
    return {
      chats: this.#chats,
      usernames: this.#usernames,
      fromBot: this.#fromBot,
      fromPerson: this.#fromPerson,
      lastMessageId: this.#lastMessageId,
    }
  }

  load(saved: Saved): void {
    refill(this.#chats, saved.chats)
    refill(this.#usernames, saved.usernames)
    refill(this.#fromBot, saved.fromBot)
    refill(this.#fromPerson, saved.fromPerson)
    this.#lastMessageId = saved.lastMessageId
  }

  nextMessageId(): number {
    this.#lastMessageId += 1
    return this.#lastMessageId
  }

  user(telegramUserId: number, username?: string): User {
    if (username !== undefined) this.#usernames.set(telegramUserId, username)
    const name = this.#people.byTelegram(telegramUserId)?.name ?? `User ${telegramUserId}`
    const known = this.#usernames.get(telegramUserId) ?? name.toLowerCase().replace(/\W+/g, '_')
    return {
      id: telegramUserId,
      is_bot: false,
      first_name: name,
      ...(known ? { username: known } : {}),
      language_code: 'en',
    }
  }

  /** The private chat of a person, or a group that the person and the bot share. */
  open(user: User, type: 'private' | 'group' | 'supergroup' = 'private'): ChatState {
    const id = type === 'private' ? user.id : type === 'group' ? -user.id : -1_000_000_000_000 - user.id
    const known = this.#chats.get(id)
    const base = { id, ...(user.username ? { username: user.username } : {}) }
    const title = `${user.first_name}'s group`
    const chat: Chat =
      type === 'private' ? { ...base, type, first_name: user.first_name } : { id, type, title }
    const state = known ?? { chat, owner: user.id, sent: new Map<number, SentMessage>() }
    state.chat = chat
    this.#chats.set(id, state)
    return state
  }

  /** @throws BotApiError "chat not found" */
  find(chatId: number): ChatState {
    const known = this.#chats.get(chatId)
    if (known) return known
    if (!this.#people.byTelegram(chatId)) throw badRequest('chat not found')
    return this.open(this.user(chatId))
  }

  recordBot(chat: ChatState, event: Omit<BotEvent, 'at'>): void {
    const happened = { ...event, at: new Date().toISOString() }
    append(this.#fromBot, chat.owner, happened)
    this.#onEvent(chat.owner, happened)
  }

  recordPerson(chat: ChatState, event: PersonEvent): void {
    append(this.#fromPerson, chat.owner, event)
  }

  botEvents(telegramUserId: number): BotEvent[] {
    return this.#fromBot.get(telegramUserId) ?? []
  }

  personEvents(telegramUserId: number): PersonEvent[] {
    return this.#fromPerson.get(telegramUserId) ?? []
  }

  /** Empties every chat. Message ids go on, because the other side remembers the old ones. */
  clear(): void {
    this.#fromBot.clear()
    this.#fromPerson.clear()
    for (const chat of this.#chats.values()) chat.sent.clear()
  }
}

function append<T>(lists: Map<number, T[]>, key: number, item: T): void {
  const list = lists.get(key)
  if (list) list.push(item)
  else lists.set(key, [item])
}
