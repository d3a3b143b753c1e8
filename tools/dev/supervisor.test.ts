import { fileURLToPath } from 'node:url'
import { afterEach, expect, test, vi } from 'vitest'
import { type ChildSpec, createSupervisor, type Supervisor } from './supervisor.ts'

const script = fileURLToPath(new URL('./testing/child.ts', import.meta.url))
let supervisor: Supervisor | undefined

afterEach(() => supervisor?.stop())

/** A supervisor, what it printed, and a way to describe the tiny child. */
function setUp() {
  const lines: string[] = []
  const print = (line: string) => void lines.push(line)
  supervisor = createSupervisor({ print, firstBackoffMs: 20, healthIntervalMs: 10, stopTimeoutMs: 500 })
  const pids = (name: string) => matches(lines, new RegExp(`^\\[${name}\\] pid (\\d+)$`))
  const child = (name: string, ...args: string[]): ChildSpec => ({
    name,
    command: process.execPath,
    args: [script, ...args],
    cwd: import.meta.dirname,
    env: async () => process.env,
    isHealthy: async () => pids(name).length > 0,
  })
  return { supervisor, lines, pids, child }
}

function matches(lines: string[], pattern: RegExp): number[] {
  return lines.flatMap((line) => {
    const found = pattern.exec(line)?.[1]
    return found === undefined ? [] : [Number(found)]
  })
}

function isAlive(pid: number | undefined): boolean {
  if (pid === undefined) throw new Error('the child printed no pid')
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('a child is started, passes on its output, and stops with the supervisor', async () => {
  const { supervisor, pids, child } = setUp()
  await supervisor.start(child('one'))
  const [pid] = pids('one')
  expect(isAlive(pid)).toBe(true)
  await supervisor.stop()
  expect(isAlive(pid)).toBe(false)
})

test('a child that dies is started again, with a line that says so', async () => {
  const { supervisor, lines, pids, child } = setUp()
  await supervisor.start(child('one'))
  process.kill(pids('one')[0] ?? Number.NaN, 'SIGKILL')
  await vi.waitFor(() => expect(pids('one')).toHaveLength(2), { timeout: 5_000 })
  expect(lines).toContain('one died (SIGKILL); it is started again in 0.02 s')
})

test('children stop in the reverse order of their start', async () => {
  const { supervisor, lines, child } = setUp()
  await supervisor.start(child('first'))
  await supervisor.start(child('second'))
  await supervisor.stop()
  expect(lines.filter((line) => line.endsWith('stopped'))).toEqual(['[second] stopped', '[first] stopped'])
})

test('a child that ignores SIGTERM is killed, and what it spawned with it', async () => {
  const { supervisor, lines, pids, child } = setUp()
  await supervisor.start(child('stubborn', '--stubborn', '--with-grandchild'))
  await vi.waitFor(() => expect(matches(lines, /grandchild (\d+)$/)).toHaveLength(1), { timeout: 5_000 })
  await supervisor.stop()
  expect(isAlive(pids('stubborn')[0])).toBe(false)
  await vi.waitFor(() => expect(isAlive(matches(lines, /grandchild (\d+)$/)[0])).toBe(false))
  expect(lines).toContain('stubborn did not stop in 0.5 s and is killed')
})

test('a child that never becomes healthy fails the start', async () => {
  supervisor = createSupervisor({ print: () => undefined, healthTimeoutMs: 50, healthIntervalMs: 10 })
  const never: ChildSpec = { ...setUpNever(), isHealthy: async () => false }
  await expect(supervisor.start(never)).rejects.toThrow('never did not come up in 0.05 s')
})

function setUpNever(): Omit<ChildSpec, 'isHealthy'> {
  return {
    name: 'never',
    command: process.execPath,
    args: [script],
    cwd: import.meta.dirname,
    env: async () => process.env,
  }
}
