import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { imageWith, inside, lacksDocker, startDocker } from './testing.ts'

const skip = await lacksDocker()

/** An assistant that runs with something in its memory. */
async function start() {
  const system = await startDocker()
  const { runtime, stop } = await system.agent()
  const spec = system.newSpec()
  const { containerId } = await runtime.start(spec)
  const root = join(system.dataDir, spec.userId)
  const state = join(root, 'config', 'state')
  await inside(containerId, 'printf "of before" >$HOME/state')
  /** What a change leaves beside the assistant's own folders. */
  const leftovers = async () =>
    (await readdir(root)).filter((name) => !['config', 'workspace', 'gateway'].includes(name))
  return { ...system, runtime, stop, spec, containerId, state, leftovers }
}

test.skipIf(skip)(
  'F5: another image takes over the state, and the one before serves until then',
  async () => {
    const { docker, runtime, spec, containerId, state, leftovers } = await start()
    const image = await imageWith({ MIGRATE: 'migrated' })
    const goesDown = vi.fn(async () => {
      expect((await docker.getContainer(containerId).inspect()).State.Running).toBe(true)
    })
    const updated = await runtime.start({ ...spec, generation: 2, image }, () => void goesDown())
    await goesDown.mock.results[0]?.value
    expect(updated.refused).toBeUndefined()
    expect(updated.containerId).not.toBe(containerId)
    await expect(docker.getContainer(containerId).inspect()).rejects.toMatchObject({ statusCode: 404 })
    expect((await fetch(`${updated.url}/readyz`)).status).toBe(200)
    expect(await readFile(state, 'utf8')).toBe('migrated\n')
    expect(await leftovers()).toEqual([])
  },
)

test.skipIf(skip)(
  'F5: an image that is missing or refuses the config changes nothing, and is not tried again for that generation',
  async () => {
    const { agent, runtime, stop, spec, containerId, leftovers } = await start()
    const goesDown = vi.fn()
    const missing = { ...spec, generation: 2, image: 'sha256:'.concat('0'.repeat(64)) }
    expect(await runtime.start(missing, goesDown)).toMatchObject({
      containerId,
      refused: { code: 'image_missing' },
    })
    const image = await imageWith({ VALIDATE_STATUS: '1' })
    const refusing = { ...spec, generation: 3, image }
    const refused = { code: 'config_refused', detail: expect.any(String) }
    expect(await runtime.start(refusing, goesDown)).toMatchObject({ containerId, refused })
    expect(goesDown).not.toHaveBeenCalled()
    expect(await inside(containerId, 'cat /etc/openclaw/openclaw.json')).toContain('gateway-token-1')

    await stop()
    const second = await agent()
    expect(await second.runtime.start(refusing)).toMatchObject({ containerId, refused })
    expect(await leftovers()).toEqual(['refused.json'])
    // A newer generation is a new try; back at what runs, nothing is refused.
    expect(await second.runtime.start({ ...spec, generation: 4 })).toEqual({
      containerId,
      url: expect.any(String),
    })
  },
)

test.skipIf(skip)(
  'F5: a new version that does not come up is undone: state, config and image are as before',
  async () => {
    const { docker, agent, runtime, stop, spec, containerId, state, leftovers } = await start()
    const before = await docker.getContainer(containerId).inspect()
    const image = await imageWith({ MIGRATE: 'spoilt', EXIT_STATUS: '9' })
    const broken = { ...spec, generation: 2, image, model: 'openai/gpt-4o' }
    const undone = await runtime.start(broken)
    expect(undone.refused).toMatchObject({
      code: 'update_failed',
      detail: expect.stringContaining('exit code 9'),
    })
    const after = await docker.getContainer(undone.containerId).inspect()
    expect(after.Image).toBe(before.Image)
    expect((await fetch(`${undone.url}/readyz`)).status).toBe(200)
    expect(await readFile(state, 'utf8')).toBe('of before')
    expect(await inside(undone.containerId, 'cat /etc/openclaw/openclaw.json')).not.toContain(
      'gpt-4o"\n      }',
    )
    expect(await leftovers()).toEqual(['refused.json'])
    await stop()
    const { refused, ...running } = await (await agent()).runtime.start(broken)
    expect(running.containerId).toBe(undone.containerId)
    expect(refused).toEqual(undone.refused)
  },
)

test.skipIf(skip)(
  'F5: an assistant that was stopped comes back on another image by the same way, or on its own',
  async () => {
    const { docker, runtime, spec, containerId, state, leftovers } = await start()
    const before = await docker.getContainer(containerId).inspect()
    await runtime.stop(spec.assistantId)
    const image = await imageWith({ MIGRATE: 'spoilt', EXIT_STATUS: '9' })
    const undone = await runtime.start({ ...spec, generation: 2, image })
    expect(undone.refused).toMatchObject({ code: 'update_failed' })
    expect((await docker.getContainer(undone.containerId).inspect()).Image).toBe(before.Image)
    expect(await readFile(state, 'utf8')).toBe('of before')
    await runtime.stop(spec.assistantId)
    const good = await imageWith({ MIGRATE: 'migrated' })
    expect((await runtime.start({ ...spec, generation: 3, image: good })).refused).toBeUndefined()
    expect(await readFile(state, 'utf8')).toBe('migrated\n')
    expect(await leftovers()).toEqual([])
  },
)

test.skipIf(skip)(
  'F7: a gateway that was paused is not taken for hung, gives memory back, and goes on where it stood',
  async () => {
    const { docker, agent, newSpec } = await startDocker()
    const { runtime, exit } = await agent({ health: { intervalMs: 50, misses: 2 } })
    const { rest } = runtime
    if (!rest) throw new Error('the Docker runtime can rest')
    const spec = newSpec()
    const { containerId, url } = await runtime.start(spec)
    // Of a file that is read, the page cache counts as memory, and can go without swap.
    await inside(containerId, 'head -c 20000000 /dev/zero >/workspace/file && cat /workspace/file >/dev/null')
    const startedAt = async () => (await docker.getContainer(containerId).inspect()).State
    const before = await startedAt()
    await rest.pause(spec.assistantId)
    await rest.pause(spec.assistantId)
    expect(await startedAt()).toMatchObject({ Paused: true, StartedAt: before.StartedAt })
    expect(await rest.reclaimMemory(spec.assistantId)).toBeLessThan(15e6)
    await expect(fetch(`${url}/readyz`, { signal: AbortSignal.timeout(500) })).rejects.toThrow()
    await rest.unpause(spec.assistantId)
    await rest.unpause(spec.assistantId)
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    expect(await startedAt()).toMatchObject({ Paused: false, StartedAt: before.StartedAt })
    expect(await Promise.race([exit(), Promise.resolve('runs')])).toBe('runs')
    await expect(rest.pause('nobody')).rejects.toMatchObject({ code: 'assistant_unreachable' })
  },
)

test.skipIf(skip)('F7: a gateway that hangs is ended, and told with that cause', async () => {
  const { dataDir, agent, newSpec } = await startDocker()
  const { runtime, exit } = await agent({ health: { intervalMs: 100, misses: 2 } })
  const spec = newSpec()
  const { containerId } = await runtime.start(spec)
  await writeFile(join(dataDir, spec.userId, 'workspace', 'hang'), '')
  expect(await exit()).toMatchObject({ assistantId: spec.assistantId, cause: { code: 'hung' } })
  expect((await runtime.start(spec)).containerId).not.toBe(containerId)
})
