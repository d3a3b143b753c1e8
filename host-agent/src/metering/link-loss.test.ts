import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { sendSnapshot, spec, startTestAgent } from '../testing/agent.ts'

const asked = JSON.stringify({
  model: 'claude-haiku-4-5',
  max_tokens: 1_000,
  stream: true,
  messages: [{ role: 'user', content: 'hi' }],
})
const allowedMicros = 12_000

async function start() {
  const { control, model, env, boot } = await startTestAgent()
  model.release()
  const allowance = { assistantId: '', remainingMicros: BigInt(allowedMicros), bound: 'credit' }
  const session = async (seq = 2n) => {
    const opened = await control.sessions.next()
    sendSnapshot({ ...opened, seq }, [spec({ allowance })])
    // Its key is known.
    await vi.waitFor(async () => expect(await call()).not.toBe('starting'))
    return opened
  }
  const call = async () => {
    const port = await readFile(join(env.STATE_DIR, 'model-gateway-port'), 'utf8')
    const init = { method: 'POST', headers: { 'x-api-key': 'vk' }, body: asked }
    const response = await fetch(`http://127.0.0.1:${port}/anthropic/v1/messages`, init)
    const text = await response.text()
    return response.status === 200 ? 'answered' : (JSON.parse(text) as { error: { code: string } }).error.code
  }
  /** Calls until it may not. */
  const spend = async () => {
    for (let answered = 0; ; answered += 1) {
      const outcome = await call()
      if (outcome !== 'answered') return { answered, outcome }
    }
  }
  const report = async (fits: (spent: number, calls: number) => boolean) => {
    const { body } = await control.said.next((message) => {
      if (message.body?.$case !== 'usageReport') return false
      const { counts } = message.body.usageReport
      const spent = counts.reduce((sum, { costMicros }) => sum + Number(costMicros), 0)
      return fits(
        spent,
        counts.reduce((sum, { calls }) => sum + calls, 0),
      )
    })
    if (body?.$case !== 'usageReport') throw new Error('unreachable')
    return body.usageReport
  }
  return { control, boot, session, call, spend, report }
}

test('B5: with the link down no more than the allowance is spent, and none of it is forgotten', async () => {
  const { control, boot, session, call, spend, report } = await start()
  const agent = await boot()
  await session()
  // However often it connects, it is cut off again.
  const down = setInterval(control.cut, 2)
  const { answered, outcome } = await spend()
  clearInterval(down)
  control.cut()
  expect(answered).toBeGreaterThan(0)
  expect(outcome).toBe('out_of_credit')
  // One call was made to see that the key is known.
  const told = await report((_, calls) => calls === answered + 1)
  const spent = told.counts.reduce((sum, { costMicros }) => sum + Number(costMicros), 0)
  expect(spent).toBeGreaterThan(0)
  expect(spent).toBeLessThanOrEqual(allowedMicros)

  // The next life of the agent knows what is spent, whatever the desired state says it began with.
  await agent.stop(0)
  while (control.sessions.waiting() > 0) await control.sessions.next()
  await boot()
  await session()
  await report((_, calls) => calls === answered + 1)
  expect(await call()).toBe('out_of_credit')
})

test('B5: an allowance takes effect at once, up and down, and a stored report is not told again', async () => {
  const { boot, session, call, spend, report } = await start()
  await boot()
  const { call: stream } = await session()
  const { outcome } = await spend()
  expect(outcome).toBe('out_of_credit')
  let seq = 3n
  const say = (report: bigint, remainingMicros: bigint) => {
    const allowances = [{ assistantId: 'a1', remainingMicros, bound: 'month' }]
    stream.write({ seq, ack: 0n, body: { $case: 'spending', spending: { report, allowances, rates: [] } } })
    seq += 1n
  }
  // The first report of a session comes with it; the second waits for its answer.
  say(1n, 50_000n)
  const second = await report((spent) => spent > 0)
  say(second.report, 20_000n)
  await vi.waitFor(async () => expect(await call()).toBe('answered'))
  const third = await report((spent) => spent > 0)
  say(third.report, 0n)
  await vi.waitFor(async () => expect(await call()).toBe('month_cap_reached'))
})
