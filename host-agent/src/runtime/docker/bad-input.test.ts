import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { AgentError } from '../../errors.ts'
import { startEngineTap } from '../../testing/engine-tap.ts'
import { toAgentError } from './errors.ts'
import { lacksDocker, run, startDocker } from './testing.ts'

const skip = await lacksDocker()

test('O3: what goes wrong below the runtime has a code of its own, and Docker’s words stay in the log', () => {
  const connect = Object.assign(new Error('/var/run/docker.sock'), { syscall: 'connect', code: 'ENOENT' })
  expect(toAgentError(connect)).toMatchObject({ code: 'engine_unavailable', retryable: true })
  const refused = Object.assign(new Error('no'), { statusCode: 400, json: { message: '/secret/path' } })
  expect(toAgentError(refused)).toMatchObject({ code: 'engine_refused', retryable: false })
  expect(toAgentError(refused).detail).not.toContain('secret')
  for (const code of ['ENOSPC', 'EDQUOT']) {
    expect(toAgentError(Object.assign(new Error('full'), { code }))).toMatchObject({ code: 'disk_full' })
  }
  expect(toAgentError(new Error('?')).code).toBe('runtime_failed')
  const own = new AgentError('name_taken', 'Taken.')
  expect(toAgentError(own)).toBe(own)
})

test.skipIf(skip)(
  'O3: a full disk is a coded error, leaves no container, and is no trouble once there is room',
  async () => {
    const { docker, dataDir, agent, newSpec } = await startDocker()
    const spec = newSpec()
    const root = join(dataDir, spec.userId)
    await mkdir(root)
    await run('mount', '-t', 'tmpfs', '-o', 'size=64k,mode=711', 'tmpfs', root)
    const unmount = () => run('umount', '--lazy', root).catch(() => {})
    onTestFinished(async () => void (await unmount()))
    await writeFile(join(root, 'full'), 'x'.repeat(64 * 1024)).catch(() => {})
    const { runtime } = await agent()
    await expect(runtime.start(spec)).rejects.toMatchObject({ code: 'disk_full' })
    await expect(docker.getContainer(`yourclaw-${spec.userId}`).inspect()).rejects.toMatchObject({
      statusCode: 404,
    })
    await unmount()
    expect((await fetch(`${(await runtime.start(spec)).url}/readyz`)).status).toBe(200)
  },
)

test.skipIf(skip)(
  'F7: an engine that is away is waited for, and what runs behind it is not taken for ended',
  async () => {
    const { docker, dataDir, agent, newSpec } = await startDocker()
    const socket = join(dataDir, 'docker.sock')
    const before = process.env.DOCKER_HOST
    onTestFinished(() => {
      if (before === undefined) delete process.env.DOCKER_HOST
      else process.env.DOCKER_HOST = before
    })
    let tap = await startEngineTap(socket)
    onTestFinished(() => tap.close())
    process.env.DOCKER_HOST = `unix://${socket}`
    const { runtime } = await agent()
    const [spec, other] = [newSpec(), newSpec()]
    const { containerId } = await runtime.start(spec)
    tap.close()
    const started = vi.fn()
    const starting = runtime.start(other).then(started)
    await expect(docker.getContainer(`yourclaw-${other.userId}`).inspect()).rejects.toMatchObject({
      statusCode: 404,
    })
    expect(started).not.toHaveBeenCalled()
    tap = await startEngineTap(socket)
    await starting
    expect((await runtime.start(spec)).containerId).toBe(containerId)
  },
)
