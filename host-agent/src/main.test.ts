import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { is, running, startTestAgent } from './testing/agent.ts'

const main = fileURLToPath(new URL('./main.ts', import.meta.url))

/** An agent as a process of its own. */
async function startProcess() {
  const { control, model, env } = await startTestAgent()
  const settings = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, String(value)]))
  const child = spawn(process.execPath, [main], {
    env: { ...settings, PATH: process.env.PATH, LOG_LEVEL: 'info' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const logged = async (what: string) => {
    for await (const line of createInterface(child.stdout)) if (line.includes(what)) return
  }
  return { control, model, child, logged, exit: once(child, 'exit') }
}

test('O5: on SIGTERM a running turn is finished and handed over, a new one is not taken, and the agent ends', async () => {
  const { control, model, child, logged, exit } = await startProcess()
  const { session, turn } = await running(control)
  child.kill('SIGTERM')
  await logged('draining')
  const startTurn = {
    turnId: 't2',
    assistantId: 'a1',
    attempt: 1,
    traceParent: '',
    conversation: 0,
    input: undefined,
  }
  session.call.write({ seq: 4n, ack: 0n, body: { $case: 'startTurn', startTurn } })
  model.release()
  expect((await turn.events.next(is('done'))).body).toMatchObject({ done: { text: 'one two' } })
  turn.call.write({ body: { $case: 'stored', stored: {} } })
  turn.call.end()
  expect(await exit).toEqual([0, null])
  expect(control.turnCalls.waiting()).toBe(0)
})
