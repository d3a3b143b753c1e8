import { parseArgs } from 'node:util'
import { openDatabase } from '@yourclaw/db'
import { pino } from 'pino'
import { systemClock } from '../../context.ts'
import { settingsOf } from '../../deps.ts'
import { type Env, readEnv } from '../../env.ts'
import { ServiceError } from '../../errors.ts'
import { openBoss } from '../../jobs/boss.ts'
import { type Command, commands, operatorName } from './commands.ts'
import { commandHelp, overview } from './help.ts'

const options = {
  help: { type: 'boolean', short: 'h' },
  json: { type: 'boolean' },
  host: { type: 'string' },
  status: { type: 'string' },
  suspended: { type: 'boolean' },
  reason: { type: 'string' },
  dollars: { type: 'string' },
  reference: { type: 'string' },
  count: { type: 'string' },
  user: { type: 'string' },
  'memory-mb': { type: 'string' },
  'cpu-millis': { type: 'string' },
  pids: { type: 'string' },
  'log-mb': { type: 'string' },
} as const

export type Values = ReturnType<typeof parse>['values']

export interface Terminal {
  /** Without the program's own name. */
  argv: string[]
  env: NodeJS.ProcessEnv
  out(line: string): void
  err(line: string): void
}

/** Runs one command; answers its exit code: 0, 1 (refused, with a code), 2 (not understood), 78 (bad settings). */
export async function runOperator(terminal: Terminal): Promise<number> {
  const complain = (text: string, code: number) => {
    terminal.err(text)
    return code
  }
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse(terminal.argv)
  } catch (error) {
    return complain(error instanceof Error ? error.message : String(error), 2)
  }
  const { values, positionals } = parsed
  const [noun = '', verb = '', ...args] = positionals
  const command = commands.find(({ name }) => name === `${noun} ${verb}`)
  const isQuestion = values.help || noun === '' || noun === 'help'
  if (!command) {
    if (!isQuestion) return complain(`There is no "${positionals.join(' ')}".\n\n${overview(noun)}`, 2)
    terminal.out(overview(noun === 'help' ? verb : noun))
    return 0
  }
  if (values.help) {
    terminal.out(commandHelp(command))
    return 0
  }
  const isComplete = command.takesMany ? args.length > 0 : args.length === command.args.length
  if (!isComplete || command.needs?.some((option) => !values[option]))
    return complain(commandHelp(command), 2)
  return carryOut(terminal, command, args, values)
}

const parse = (args: string[]) => parseArgs({ args, options, allowPositionals: true })

async function carryOut(
  terminal: Terminal,
  command: Command,
  args: string[],
  values: Values,
): Promise<number> {
  let env: Env
  try {
    env = readEnv(terminal.env)
  } catch (error) {
    terminal.err(error instanceof Error ? error.message : String(error))
    return 78
  }
  const databaseUrl = env.DATABASE_URL
  if (databaseUrl === undefined) {
    terminal.err('DATABASE_URL is not set.')
    return 78
  }
  const log = pino({ enabled: false })
  const db = openDatabase(databaseUrl, 2)
  const ctx = { db, clock: systemClock, log, settings: settingsOf(env) }
  const boss = command.needsBoss ? await openBoss(databaseUrl, log) : undefined
  try {
    const { result, text } = await command.run({ ctx, boss, actor: operatorName(), args, values })
    terminal.out(values.json ? JSON.stringify(result, null, 2) : text)
    return 0
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error
    const { code, detail } = error
    if (values.json) terminal.out(JSON.stringify({ detail, code }))
    else terminal.err(`${code}: ${detail}`)
    return 1
  } finally {
    await boss?.stop({ graceful: false })
    await db.$disconnect()
  }
}
