import { parseArgs } from 'node:util'
import { openDatabase } from '@yourclaw/db'
import { pino } from 'pino'
import { systemClock } from '../context.ts'
import { settingsOf } from '../deps.ts'
import { type Env, readEnv } from '../env.ts'
import { ServiceError } from '../errors.ts'
import { openBoss } from '../jobs/boss.ts'
import { type Command, commands, operatorName } from './operator/commands.ts'
import { commandHelp, overview } from './operator/help.ts'

// What an operator does, on a machine that has the control plane's environment (DATABASE_URL above all). The same verbs
// as /api/v1/operator. Ends with 0, 1 (refused, with its code), 2 (not understood) or 78 (bad settings).

const options = {
  help: { type: 'boolean', short: 'h' },
  json: { type: 'boolean' },
  host: { type: 'string' },
  status: { type: 'string' },
  suspended: { type: 'boolean' },
  reason: { type: 'string' },
} as const

async function main(): Promise<number> {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse()
  } catch (error) {
    return complain(error instanceof Error ? error.message : String(error), 2)
  }
  const { values, positionals } = parsed
  const [noun = '', verb = '', ...args] = positionals
  const command = commands.find(({ name }) => name === `${noun} ${verb}`)
  if (!command) {
    if (noun === '' || noun === 'help' || values.help) return say(overview(noun === 'help' ? verb : noun))
    return complain(`There is no "${positionals.join(' ')}".\n\n${overview(noun)}`, 2)
  }
  if (values.help) return say(commandHelp(command))
  const isComplete =
    args.length >= command.args.length && (command.takesMany || args.length <= command.args.length)
  const missing = command.needs?.find((option) => !values[option])
  if (!isComplete || missing) return complain(commandHelp(command), 2)
  return run(command, args, values)
}

const parse = () => parseArgs({ options, allowPositionals: true })
export type Values = ReturnType<typeof parse>['values']

async function run(command: Command, args: string[], values: Values): Promise<number> {
  let env: Env
  try {
    env = readEnv(process.env)
  } catch (error) {
    return complain(error instanceof Error ? error.message : String(error), 78)
  }
  const databaseUrl = env.DATABASE_URL
  if (databaseUrl === undefined) return complain('DATABASE_URL is not set.', 78)
  const db = openDatabase(databaseUrl, 2)
  const ctx = { db, clock: systemClock, log: pino({ enabled: false }), settings: settingsOf(env) }
  const withBoss = command.needsBoss ? await openBoss(databaseUrl, pino({ enabled: false })) : undefined
  try {
    const { result, text } = await command.run({ ctx, boss: withBoss, actor: operatorName(), args, values })
    return say(values.json ? JSON.stringify(result, null, 2) : text)
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error
    if (values.json) return say(JSON.stringify({ detail: error.detail, code: error.code }), 1)
    return complain(`${error.code}: ${error.detail}`, 1)
  } finally {
    await withBoss?.stop({ graceful: false })
    await db.$disconnect()
  }
}

function say(text: string, code = 0): number {
  process.stdout.write(`${text}\n`)
  return code
}

function complain(text: string, code: number): number {
  process.stderr.write(`${text}\n`)
  return code
}

process.exitCode = await main()
