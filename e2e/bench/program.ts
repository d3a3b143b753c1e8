import { type ChildProcess, spawn } from 'node:child_process'
import { openSync, readFileSync } from 'node:fs'
import { inherited, stopChild } from '../src/child.ts'

/** One side of a bench in a process of its own. */
export interface Program {
  /** Resident memory in bytes; read from /proc, so on Linux only. */
  memory(): number
  /** CPU seconds used so far, of all its threads. */
  cpuSeconds(): number
  stop(): Promise<void>
}

/** Everything it prints goes to `logPath`. With `profileDir` it leaves a CPU profile there when it ends. */
export function startProgram(input: {
  script: string
  args?: string[]
  env: Record<string, string>
  logPath: string
  profileDir?: string | undefined
}): Program {
  const output = openSync(input.logPath, 'w')
  const flags = input.profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${input.profileDir}`]
  const child: ChildProcess = spawn(process.execPath, [...flags, input.script, ...(input.args ?? [])], {
    env: { ...inherited, ...input.env },
    stdio: ['ignore', output, output],
  })
  const proc = (file: string) => readFileSync(`/proc/${child.pid}/${file}`, 'utf8')
  return {
    memory: () => Number(/VmRSS:\s+(\d+) kB/.exec(proc('status'))?.[1] ?? Number.NaN) * 1024,
    cpuSeconds() {
      const [user = 0, system = 0] = proc('stat').split(') ')[1]?.split(' ').slice(11, 13).map(Number) ?? []
      return (user + system) / 100
    },
    stop: () => stopChild(child),
  }
}
