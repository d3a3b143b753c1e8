import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { removeAssistants } from './removal.ts'
import { inside, lacksDocker, run, startDocker, testImage } from './testing.ts'

const skip = await lacksDocker()
const is404 = { statusCode: 404 }

test.skipIf(skip)(
  'S2, S4: an assistant’s container is locked in as designed, and erased without a trace',
  async () => {
    const { docker, dataDir, agent, newSpec } = await startDocker()
    const { runtime } = await agent()
    const spec = newSpec({ generation: 7 })
    const name = `yourclaw-${spec.userId}`
    const { containerId, url } = await runtime.start(spec)
    expect((await fetch(`${url}/readyz`)).status).toBe(200)

    const found = await docker.getContainer(name).inspect()
    expect(found.Id).toBe(containerId)
    expect([found.Path, ...found.Args].join(' ')).toBe('openclaw gateway --port 18789 --bind lan')
    expect(found.Config.Labels).toMatchObject({
      'yourclaw.assistant-id': spec.assistantId,
      'yourclaw.generation': '7',
      'yourclaw.spec-hash': expect.any(String),
    })
    expect(found.Config.User).toBe('1000:1000')
    expect(found.NetworkSettings.Ports).toEqual({})
    expect(Object.keys(found.NetworkSettings.Networks)).toEqual([name])
    expect(found.HostConfig).toMatchObject({
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      Privileged: false,
      PortBindings: {},
      Memory: 2 * 2 ** 30,
      NanoCpus: 1e9,
      PidsLimit: 512,
      RestartPolicy: { Name: 'no' },
      LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '2' } },
    })
    const root = join(dataDir, spec.userId)
    expect(found.Mounts.map(({ Source, RW }) => [Source, RW]).toSorted()).toEqual([
      [join(root, 'config'), true],
      [join(root, 'gateway'), false],
      [join(root, 'workspace'), true],
    ])
    expect((await stat(root)).mode & 0o777).toBe(0o710)
    for (const folder of ['config', 'workspace']) {
      expect(await stat(join(root, folder))).toMatchObject({ uid: 1000, gid: 1000 })
    }
    const file = join(dataDir, 'a-file')
    await writeFile(file, 'hello')
    await runtime.placeFile(spec, 'inbox/a.txt', file)
    expect(await stat(join(root, 'workspace/inbox'))).toMatchObject({ uid: 1000, gid: 1000 })
    expect(await stat(join(root, 'workspace/inbox/a.txt'))).toMatchObject({ uid: 1000, gid: 1000, size: 5 })

    await runtime.erase(spec)
    await expect(docker.getContainer(name).inspect()).rejects.toMatchObject(is404)
    await expect(docker.getNetwork(name).inspect()).rejects.toMatchObject(is404)
    await expect(stat(root)).rejects.toMatchObject({ code: 'ENOENT' })
    // Repeated, it is as it was.
    await runtime.erase(spec)
  },
)

test.skipIf(skip)('a model, a key, a token and limits change in the running container', async () => {
  const { docker, agent, newSpec } = await startDocker()
  const { runtime } = await agent()
  const spec = newSpec()
  const { containerId } = await runtime.start(spec)
  const changed = {
    ...spec,
    model: 'openai/gpt-4o',
    gatewayToken: 'gateway-token-2',
    limits: { memoryBytes: 2n ** 29n, cpuMillis: 500, pids: 100, logBytes: 2n ** 20n },
  }
  await runtime.apply(changed)
  const { State, HostConfig } = await docker.getContainer(containerId).inspect()
  expect(State.Running).toBe(true)
  expect(HostConfig).toMatchObject({ Memory: 2 ** 29, NanoCpus: 5e8, PidsLimit: 100 })
  const config = await inside(containerId, 'cat /etc/openclaw/openclaw.json')
  expect(config).toContain('"primary": "openai/gpt-4o"')
  expect(config).toContain('gateway-token-2')
  expect((await runtime.start(changed)).containerId).toBe(containerId)

  // The engine cannot give a running container another size of log: the next one has it.
  expect(HostConfig.LogConfig?.Config).toEqual({ 'max-size': '10m', 'max-file': '2' })
  const restarted = await runtime.start({ ...changed, restartCount: 1 })
  const next = await docker.getContainer(restarted.containerId).inspect()
  expect(next.HostConfig.LogConfig?.Config).toEqual({ 'max-size': '524288', 'max-file': '2' })
})

test.skipIf(skip)(
  'F5, F9: limits that the host cannot give are refused with a code, and what runs goes on, over a new agent as well',
  async () => {
    const { docker, agent, newSpec } = await startDocker()
    const first = await agent()
    const spec = newSpec()
    const { containerId, url } = await first.runtime.start(spec)
    const memory = async () => (await docker.getContainer(containerId).inspect()).HostConfig.Memory
    const before = await memory()
    await inside(containerId, 'dd if=/dev/zero of=/tmp/used bs=1M count=60')
    const wanted = (limits: object) => ({
      ...spec,
      limits: { memoryBytes: 0n, cpuMillis: 0, pids: 0, logBytes: 0n, ...limits },
    })
    const tooSmall = wanted({ memoryBytes: 20n * 2n ** 20n })
    const tooMany = wanted({ cpuMillis: 512_000 })
    const refused = { code: 'limits_refused', detail: expect.any(String) }
    const otherModel = { ...tooSmall, model: 'openai/gpt-4o' }
    await expect(first.runtime.apply(otherModel)).rejects.toMatchObject({ ...refused, retryable: false })
    expect(await inside(containerId, 'cat /etc/openclaw/openclaw.json')).toContain('openai/gpt-4o')
    expect(await first.runtime.start(tooMany)).toEqual({ containerId, url, refused })
    expect(await memory()).toBe(before)
    await first.stop()
    const second = await agent()
    expect(await second.runtime.start(tooMany)).toEqual({ containerId, url, refused })
    await expect(second.runtime.start(newSpec({ limits: tooMany.limits }))).rejects.toMatchObject(refused)
  },
)

test.skipIf(skip)(
  'F9: a container outlives its agent; the next one adopts it, and replaces what a new spec no longer fits',
  async () => {
    const { docker, agent, newSpec } = await startDocker()
    const first = await agent()
    const spec = newSpec()
    const { containerId } = await first.runtime.start(spec)
    const stray = newSpec()
    await first.runtime.start(stray)
    await first.stop()
    expect((await docker.getContainer(containerId).inspect()).State.Running).toBe(true)

    const second = await agent()
    expect((await second.runtime.leftRunning()).toSorted()).toEqual(
      [spec.assistantId, stray.assistantId].toSorted(),
    )
    // It meets a newer model by itself, and no restart.
    const changed = { ...spec, generation: 2, model: 'openai/gpt-4o' }
    expect((await second.runtime.start(changed)).containerId).toBe(containerId)
    expect(await inside(containerId, 'cat /etc/openclaw/openclaw.json')).toContain('openai/gpt-4o')
    await second.runtime.stop(stray.assistantId)
    await expect(docker.getContainer(`yourclaw-${stray.userId}`).inspect()).rejects.toMatchObject(is404)
    expect(await second.runtime.leftRunning()).toEqual([])
    await second.stop()

    const third = await agent()
    const restarted = await third.runtime.start({ ...changed, restartCount: 1 })
    expect(restarted.containerId).not.toBe(containerId)
    await expect(docker.getContainer(containerId).inspect()).rejects.toMatchObject(is404)
  },
)

test.skipIf(skip)(
  'F9: what a killed agent left half-made is finished or replaced, never doubled',
  async () => {
    const { docker, agent, newSpec } = await startDocker()
    const { runtime } = await agent()
    const spec = newSpec()
    const name = `yourclaw-${spec.userId}`
    // Created and never started: what a kill between the two leaves, once the container that runs is set aside.
    await runtime.start(spec)
    const { Config, HostConfig } = await docker.getContainer(name).inspect()
    await docker.getContainer(name).remove({ force: true })
    const next = await agent()
    await docker.createContainer({ ...Config, name, HostConfig })
    expect(await next.runtime.leftRunning()).toEqual([spec.assistantId])
    const { containerId } = await next.runtime.start(spec)
    expect((await docker.getContainer(name).inspect()).Id).toBe(containerId)
    // Only a network, and no container.
    await docker.getContainer(name).remove({ force: true })
    await next.exit()
    expect(await next.runtime.leftRunning()).toEqual([spec.assistantId])
    await next.runtime.stop(spec.assistantId)
    await expect(docker.getNetwork(name).inspect()).rejects.toMatchObject(is404)
  },
)

test.skipIf(skip)(
  'F7: an end that nobody asked for is told with its cause, out of memory among them',
  async () => {
    const { dataDir, agent, newSpec } = await startDocker()
    const { runtime, exit } = await agent()
    const spec = newSpec({ limits: { memoryBytes: 64n * 2n ** 20n, cpuMillis: 0, pids: 0, logBytes: 0n } })
    const { assistantId } = spec
    const order = (file: string) => writeFile(join(dataDir, spec.userId, 'workspace', file), '')
    await runtime.start(spec)
    await order('exit')
    const detail = 'Its gateway ended with exit code 3.'
    expect(await exit()).toEqual({ assistantId, cause: { code: 'exited', detail } })
    await runtime.start(spec)
    await order('memory-bomb')
    expect(await exit()).toMatchObject({ assistantId, cause: { code: 'out_of_memory' } })
    await runtime.start(spec)
    // One that is stopped is not told.
    await runtime.stop(assistantId)
    await runtime.start(spec)
    await order('exit')
    expect((await exit()).cause?.code).toBe('exited')
  },
)

test.skipIf(skip)(
  'a name that somebody else has and an image that is not there are coded errors, and change nothing',
  async () => {
    const { docker, agent, newSpec } = await startDocker()
    const { runtime } = await agent()
    const spec = newSpec()
    const name = `yourclaw-${spec.userId}`
    const foreign = await docker.createContainer({ name, Image: testImage })
    await foreign.start()
    await expect(runtime.start(spec)).rejects.toMatchObject({ code: 'name_taken' })
    await runtime.stop(spec.assistantId)
    expect((await foreign.inspect()).State.Running).toBe(true)
    await foreign.remove({ force: true })

    const other = newSpec({ image: 'sha256:'.concat('0'.repeat(64)) })
    await expect(runtime.start(other)).rejects.toMatchObject({ code: 'image_missing' })

    // A network of that name is refused just the same.
    const third = newSpec()
    const network = await docker.createNetwork({ Name: `yourclaw-${third.userId}` })
    onTestFinished(() => network.remove())
    await expect(runtime.start(third)).rejects.toMatchObject({ code: 'name_taken' })
  },
)

test.skipIf(skip)(
  'S2, S4: without its firewall rules no assistant is started, and the cause says so',
  async () => {
    const { docker, agent, newSpec } = await startDocker()
    const { runtime } = await agent()
    const spec = newSpec()
    const path = process.env.PATH
    onTestFinished(() => {
      process.env.PATH = path
    })
    process.env.PATH = '/nowhere'
    await expect(runtime.start(spec)).rejects.toMatchObject({ code: 'firewall_unavailable', retryable: true })
    process.env.PATH = path
    await expect(docker.getContainer(`yourclaw-${spec.userId}`).inspect()).rejects.toMatchObject(is404)
  },
)

test.skipIf(skip)(
  'S2: a tenant who makes pipes and links of its files holds up and misleads nobody',
  async () => {
    const { dataDir, agent, newSpec } = await startDocker()
    const { runtime } = await agent()
    const spec = newSpec()
    const { containerId } = await runtime.start(spec)
    expect(await runtime.conversation(spec, 0).exists()).toBe(false)
    const agentDir = '/home/assistant/.openclaw/agents/main/agent'
    const database = `${agentDir}/openclaw-agent.sqlite`
    // A link out of its folders is followed with the tenant's rights, and these end there: to the agent an empty file
    // would be a database without a conversation.
    const secret = join(dataDir, 'secret.sqlite')
    await writeFile(secret, '', { mode: 0o600 })
    await inside(containerId, `mkdir -p ${agentDir} && ln -s ${secret} ${database}`)
    await expect(runtime.conversation(spec, 0).exists()).rejects.toMatchObject({
      code: 'conversation_unreadable',
    })
    await inside(containerId, `rm ${database} && mkfifo ${database}`)
    await expect(runtime.conversation(spec, 0).end()).rejects.toMatchObject({
      code: 'conversation_unreadable',
    })
    // Nor can it touch its config.
    expect(await inside(containerId, 'echo {} >/etc/openclaw/openclaw.json')).toContain('Read-only')
    expect(await run('ls', '-l', join(dataDir, spec.userId, 'gateway'))).toContain('root root')
  },
)

test.skipIf(skip)(
  'an uninstallation takes containers and networks of its own data folder, and leaves the data',
  async () => {
    const { docker, dataDir, agent, newSpec } = await startDocker()
    const other = await startDocker()
    const spec = newSpec()
    const { runtime, stop } = await agent()
    await runtime.start(spec)
    const neighbour = await (await other.agent()).runtime.start(other.newSpec())
    await stop()
    await removeAssistants(dataDir)
    const name = `yourclaw-${spec.userId}`
    await expect(docker.getContainer(name).inspect()).rejects.toMatchObject(is404)
    await expect(docker.getNetwork(name).inspect()).rejects.toMatchObject(is404)
    expect((await stat(join(dataDir, spec.userId, 'workspace'))).isDirectory()).toBe(true)
    expect((await docker.getContainer(neighbour.containerId).inspect()).State.Running).toBe(true)
  },
)
