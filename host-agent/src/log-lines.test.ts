import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'

/** A process that logs as ours do to a pipe, does `then`, and is read line by line. */
function start(then: string, lines = 1_000) {
  const program = `
    import { logLines } from '@yourclaw/telemetry'
    import { pino } from 'pino'
    const log = pino(pino.destination(logLines('info')))
    const stays = setInterval(() => {}, 60_000)
    const say = (count) => { for (let i = 0; i < count; i++) log.info({ i }, 'a line') }
    say(${lines})
    ${then}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const read = async () => {
    const numbers: number[] = []
    for await (const line of createInterface(child.stdout)) numbers.push(JSON.parse(line).i)
    return numbers
  }
  return { child, read, exit: once(child, 'exit') }
}
const all = (count: number) => Array.from({ length: count }, (_, i) => i)

test.each([
  ['exits', 'process.exit(0)', 0],
  [
    'is told to stop',
    "process.once('SIGTERM', () => process.exit(0)); process.kill(process.pid, 'SIGTERM')",
    0,
  ],
  ['ends by itself', 'clearInterval(stays)', 0],
  ['throws', "throw new Error('broken')", 1],
  ['rejects', "setTimeout(() => Promise.reject(new Error('broken')))", 1],
])('no line is lost when a process %s', async (_what, then, code) => {
  for (const lines of [3, 1_000]) {
    const { read, exit } = start(then, lines)
    expect((await read()).sort((a, b) => a - b)).toEqual(all(lines))
    expect(await exit).toEqual([code, null])
  }
})

test('a line does not wait for the next one', async () => {
  const { child } = start('', 1)
  const [line] = await once(createInterface(child.stdout), 'line')
  expect(JSON.parse(line)).toMatchObject({ i: 0, msg: 'a line' })
  expect(child.exitCode).toBeNull()
})
