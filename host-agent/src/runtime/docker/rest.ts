import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type Docker from 'dockerode'
import type { Container } from 'dockerode'
import { AgentError } from '../../errors.ts'
import type { Rest } from '../runtime.ts'
import { refusal } from './errors.ts'
import type { Labels } from './labels.ts'

const cgroups = '/sys/fs/cgroup'

/** Where the kernel counts a process's memory, and how it is told to move it out: cgroup version 2, else 1. */
async function memoryOf(pid: number) {
  const lines = (await readFile(`/proc/${pid}/cgroup`, 'utf8')).split('\n')
  const pathOf = (head: RegExp) =>
    lines
      .find((line) => head.test(line))
      ?.split(':')
      .at(-1)
  const first = pathOf(/^\d+:memory:/)
  const folder = first === undefined ? join(cgroups, pathOf(/^0::/) ?? '') : join(cgroups, 'memory', first)
  const resident = async () => {
    const name = first === undefined ? 'memory.current' : 'memory.usage_in_bytes'
    return Number(await readFile(join(folder, name), 'utf8'))
  }
  const reclaim = async () => {
    if (first !== undefined) return writeFile(join(folder, 'memory.force_empty'), '0')
    // EAGAIN: not all of it could be moved, which is for `resident` to say.
    await writeFile(join(folder, 'memory.reclaim'), String(await resident())).catch((error) => {
      if (error.code !== 'EAGAIN') throw error
    })
  }
  return { resident, reclaim }
}

/** Of containers that run. What is paused here and what its agent left paused is woken by the next start. */
export function createRest({
  docker,
  labels,
  hold,
}: {
  docker: Docker
  labels: Labels
  /** A held gateway that does not answer is not taken for hung. */
  hold: (assistantId: string, isHeld: boolean) => void
}): Rest {
  async function running(assistantId: string): Promise<Container> {
    const [found] = await docker.listContainers({ filters: labels.filter(assistantId) })
    if (!found) throw new AgentError('assistant_unreachable', 'The assistant is not running.')
    return docker.getContainer(found.Id)
  }
  return {
    async pause(assistantId) {
      const container = await running(assistantId)
      hold(assistantId, true)
      try {
        await alreadyIs(container.pause())
      } catch (error) {
        hold(assistantId, false)
        throw error
      }
    },
    async reclaimMemory(assistantId) {
      const { State } = await (await running(assistantId)).inspect()
      const memory = await memoryOf(State.Pid)
      await memory.reclaim()
      return memory.resident()
    },
    async unpause(assistantId) {
      await alreadyIs((await running(assistantId)).unpause())
      hold(assistantId, false)
    },
  }
}

/** Docker says so with a conflict, or with an error of the version it has spoken since its first days. */
async function alreadyIs(call: Promise<unknown>): Promise<void> {
  try {
    await call
  } catch (error) {
    if (![409, 500].includes(refusal(error) ?? 0) || !/already paused|is not paused/i.test(String(error)))
      throw error
  }
}
