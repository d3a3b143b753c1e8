import { type AgentEnv, readEnv } from '../env.ts'

/** Bad settings, as in sysexits.h. */
const exitConfig = 78

/** Runs a command with this host's settings; what goes wrong is one line on standard error, and a status of 1. */
export async function run(command: (env: AgentEnv) => Promise<void>): Promise<void> {
  let env: AgentEnv
  try {
    env = readEnv(process.env)
  } catch (error) {
    console.error(wordsOf(error))
    process.exitCode = exitConfig
    return
  }
  try {
    await command(env)
  } catch (error) {
    console.error(wordsOf(error))
    process.exitCode = 1
  }
}

const wordsOf = (error: unknown) => (error instanceof Error ? error.message : String(error))
