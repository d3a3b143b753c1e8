import { type Command, commandNamed, commands } from './commands.ts'

/** With its bot's name, as Telegram's apps send it from a menu. */
const shape = /^\s*\/([a-z]+)(?:@(\w+))?(?:\s+([\s\S]*))?$/i

export interface ReadCommand {
  command: Command
  /** What follows its name. */
  argument: string
  /** What of it is said to the assistant; undefined = nothing. */
  message: string | undefined
}

/** What a text asks of us; undefined for everything else, which is the assistant's to understand. */
export function readCommand(text: string, bot: string): ReadCommand | undefined {
  const [, name = '', of = bot, behind = ''] = shape.exec(text) ?? []
  const command = commands.find((one) => one.name === name.toLowerCase())
  if (!command || of.toLowerCase() !== bot.toLowerCase()) return undefined
  const argument = behind.trim()
  // Somebody who asks for help with something means their assistant.
  if (command.name === 'help' && argument !== '' && !commandNamed(argument)) return undefined
  const isNext = command.words === 'next' && argument !== ''
  return { command, argument, message: isNext ? argument : undefined }
}
