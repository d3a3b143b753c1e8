import { userInfo } from 'node:os'
import type { PgBoss } from 'pg-boss'
import type { Ctx } from '../../context.ts'
import { assistantCommands } from './assistants.ts'
import { dutyCommands } from './duties.ts'
import { hostCommands } from './hosts.ts'
import { imageCommands } from './images.ts'
import type { Values } from './run.ts'

export interface Call {
  ctx: Ctx
  /** Of a command that needs it. */
  boss: PgBoss | undefined
  /** For the audit. */
  actor: string
  args: string[]
  values: Values
}

export interface Command {
  /** Two words: what it is about, and what is done. */
  name: string
  args: string[]
  /** The last argument may be given several times. */
  takesMany?: boolean
  /** As shown in the usage line. */
  options?: string
  /** Options that must be there. */
  needs?: (keyof Values)[]
  needsBoss?: boolean
  summary: string
  more?: string
  /** `result` for --json, `text` for people. */
  run(call: Call): Promise<{ result: unknown; text: string }>
}

export const commands: Command[] = [...hostCommands, ...imageCommands, ...assistantCommands, ...dutyCommands]

/** Who sits at this machine. */
export function operatorName(): string {
  try {
    return `operator:${userInfo().username}@cli`
  } catch {
    return 'operator:cli'
  }
}
