import type { Transaction } from '@yourclaw/db'
import type { ConversationCtx, Recipient } from '../conversation/ctx.ts'
import type { AssistantRow } from '../conversation/rows.ts'
import { tellStanding } from '../conversation/tell-standing.ts'
import { texts } from '../conversation/texts.ts'
import { chooseModel } from './choose-model.ts'
import { startFresh } from './start-fresh.ts'
import { stop } from './stop.ts'
import { tellStatus } from './tell-status.ts'
import { tellUsage } from './tell-usage.ts'

export interface CommandCall {
  userId: string
  /** Where it was given, and is answered. */
  to: Recipient
  /** What follows its name. */
  argument: string
}

/** What a person can ask of us, the same on all channels. One of `read` and `act`. */
export interface Command {
  name: string
  /** For /help and for Telegram's menu. */
  description: string
  /** What words behind it are: its `argument`, or, once it is done, the `next` message. Absent = it takes none. */
  words?: 'argument' | 'next'
  /** Only tells something. */
  read?: (ctx: ConversationCtx, call: CommandCall) => Promise<string>
  /** Changes something, under the assistant's lock; undefined = nothing is said, or somebody else says it. */
  act?: (
    tx: Transaction,
    ctx: ConversationCtx,
    call: CommandCall & { owner: AssistantRow },
  ) => Promise<string | undefined>
}

/** In the order in which they are listed. What is not here is the assistant's to understand. */
export const commands: readonly Command[] = [
  {
    name: 'help',
    description: 'What you can do here',
    words: 'argument',
    read: async (_ctx, call) => help(call),
  },
  { name: 'status', description: 'Your assistant, plan, limits and credit', read: tellStatus },
  { name: 'usage', description: 'What you used today and in the last 30 days', read: tellUsage },
  {
    name: 'model',
    description: 'Choose the model that your assistant thinks with',
    words: 'argument',
    act: chooseModel,
  },
  { name: 'new', description: 'Begin a fresh conversation; memory stays', words: 'next', act: startFresh },
  { name: 'stop', description: 'Stop the answer that is being written', words: 'next', act: stop },
  {
    name: 'start',
    description: 'Connect this chat, or say hello',
    read: async (ctx, { userId }) => texts.welcome(await tellStanding(ctx.db, ctx, userId)),
  },
]

/** On the message that was one. */
export const codeOf = ({ name }: Command) => `command_${name}`

/** Of one command, with or without its stroke; undefined = what is asked is no command. */
export const commandNamed = (word: string) =>
  commands.find(({ name }) => name === word.toLowerCase().replace(/^\//, ''))

function help({ argument }: CommandCall): string {
  const asked = commandNamed(argument)
  const lines = (asked ? [asked] : commands).map(({ name, description }) => `- /${name}: ${description}`)
  if (asked) return lines.join('')
  return `Write to your assistant as you would to a person. Besides, there are:\n\n${lines.join('\n')}`
}
