import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { AssistantSpec, Provider } from '@yourclaw/proto/host/v1'
import { tracingOff } from '@yourclaw/telemetry'
import Docker from 'dockerode'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { createKeyRing } from '../../model-gateway/keys.ts'
import { startModelGateway } from '../../model-gateway/server.ts'
import { createMetrics } from '../../observability/metrics.ts'
import { createWatch } from '../../observability/watch.ts'
import { channelService, createSpeech } from '../../speech/speech.ts'
import type { Health } from '../openclaw/gateways.ts'
import type { Cause } from '../runtime.ts'
import { createDockerRuntime } from './docker.ts'

export const testImage = 'yourclaw-test-gateway:latest'
export const assistantImage = 'yourclaw-openclaw:latest'
export const tenantSubnet = '10.201.0.0/16'

const docker = new Docker()

/** Whether tests that need an engine and this image can run; says why when they cannot. */
export async function lacksDocker(image = testImage): Promise<boolean> {
  try {
    await docker.getImage(image).inspect()
    if (process.getuid?.() === 0) return false
    console.warn('Docker tests are skipped: firewall rules and folders of tenants need root.')
  } catch (error) {
    console.warn(
      `Docker tests are skipped: ${String(error)}. tools/ci/docker.sh prepares an engine and images.`,
    )
  }
  return true
}

export async function run(command: string, ...args: string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(command, args)
  return (stdout + stderr).trim()
}

/** The stand-in with variables of its own; removed after the test. */
export async function imageWith(variables: Record<string, string>): Promise<string> {
  const tag = `yourclaw-test-gateway:${randomBytes(6).toString('hex')}`
  const lines = Object.entries(variables).map(([name, value]) => `ENV ${name}=${value}\n`)
  const built = promisify(execFile)('docker', ['build', '--quiet', '--tag', tag, '-'])
  built.child.stdin?.end(`FROM ${testImage}\n${lines.join('')}`)
  await built
  onTestFinished(async () => void (await run('docker', 'rmi', '--force', tag)))
  return tag
}

/** What a shell in a container prints, whatever becomes of it. */
export const inside = (containerId: string, script: string): Promise<string> =>
  new Promise((resolve) => {
    execFile('docker', ['exec', containerId, 'sh', '-c', script], (_error, stdout, stderr) =>
      resolve((stdout + stderr).trim()),
    )
  })

/** A machine of the internet, which serves a folder: an address beyond this host, behind an interface of its own. */
export async function startInternet(folder = '/etc') {
  const machine = `ycnet${process.pid}`
  const link = `yc${process.pid}`.slice(0, 12)
  await run('ip', 'netns', 'add', machine)
  onTestFinished(async () => void (await run('ip', 'netns', 'del', machine)))
  const within = (...args: string[]) => run('ip', 'netns', 'exec', machine, ...args)
  await run('ip', 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', machine)
  await run('ip', 'address', 'add', '198.41.0.1/24', 'dev', link)
  await run('ip', 'link', 'set', link, 'up')
  await within('ip', 'address', 'add', '198.41.0.2/24', 'dev', 'eth0')
  await within('ip', 'link', 'set', 'eth0', 'up')
  await within('ip', 'route', 'add', 'default', 'via', '198.41.0.1')
  // Daemons of the namespace, which end with it: what is left in it is ended by its process ids.
  for (const port of ['80', '25']) await within('busybox', 'httpd', '-p', port, '-h', folder)
  onTestFinished(async () => {
    const pids = (await run('ip', 'netns', 'pids', machine)).split(/\s+/).filter((pid) => pid !== '')
    for (const pid of pids) process.kill(Number(pid))
  })
  return '198.41.0.2'
}

/** Runtimes and assistants of one test, and a model gateway whose providers are at `modelUrl` and `searchUrl`. */
export async function startDocker(options: { modelUrl?: string; searchUrl?: string; image?: string } = {}) {
  const dataDir = await mkdtemp(join(tmpdir(), 'docker-'))
  await chmod(dataDir, 0o711)
  const log = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' })
  const keys = createKeyRing()
  keys.setShared(
    [Provider.PROVIDER_ANTHROPIC, Provider.PROVIDER_OPENAI, Provider.PROVIDER_BRAVE].map((provider) => ({
      provider,
      key: 'sk-canary-of-the-provider',
    })),
  )
  const model = options.modelUrl ?? 'http://127.0.0.1:9'
  const env = {
    ANTHROPIC_BASE_URL: model,
    OPENAI_BASE_URL: model,
    GEMINI_BASE_URL: model,
    BRAVE_BASE_URL: options.searchUrl ?? model,
  }
  const watch = createWatch({ metrics: createMetrics(), tracing: tracingOff })

  /** One agent's life: a model gateway and a runtime. */
  const agent = async (more: { health?: Health } = {}) => {
    const speechDir = await mkdtemp(join(tmpdir(), 'speech-'))
    const speech = createSpeech({ dir: speechDir, running: () => undefined, watch, log })
    onTestFinished(async () => {
      speech.close()
      await rm(speechDir, { recursive: true, force: true })
    })
    const modelGateway = await startModelGateway({
      services: new Map([[channelService, speech.post]]),
      watch,
      keys,
      env,
      log,
    })
    const runtime = createDockerRuntime({
      dataDir,
      image: options.image ?? testImage,
      tenantSubnet,
      modelGateway,
      log,
      ...more,
    })
    const exits: { assistantId: string; cause: Cause | undefined }[] = []
    let told: () => void = () => {}
    runtime.onExit((assistantId, cause) => {
      exits.push({ assistantId, cause })
      told()
    })
    const stop = async () => {
      await runtime.close()
      await modelGateway.close()
    }
    onTestFinished(stop)
    return {
      runtime,
      speech,
      stop,
      /** The next end that nobody asked for. */
      async exit() {
        for (;;) {
          const next = exits.shift()
          if (next) return next
          await new Promise<void>((resolve) => {
            told = resolve
          })
        }
      },
    }
  }

  const specs: AssistantSpec[] = []
  const newSpec = (more: Partial<AssistantSpec> = {}) => {
    const id = randomBytes(6).toString('hex')
    const spec = AssistantSpec.create({
      assistantId: `a-${id}`,
      userId: `u-${id}`,
      generation: 1,
      model: 'anthropic/claude-sonnet-4-5-20250929',
      gatewayToken: 'gateway-token-1',
      virtualKey: `vk-${id}`,
      ...more,
    })
    keys.setAssistant(spec.assistantId, spec.virtualKey, [])
    specs.push(spec)
    return spec
  }
  // Runs last: hooks run in reverse order.
  onTestFinished(async () => {
    const { runtime, stop } = await agentForCleaning()
    for (const spec of specs) {
      await docker
        .getContainer(`yourclaw-${spec.userId}`)
        .remove({ force: true })
        .catch(() => {})
      await runtime.erase(spec)
    }
    await stop()
    await rm(dataDir, { recursive: true, force: true })
  })
  async function agentForCleaning() {
    const modelGateway = await startModelGateway({ watch, keys, env, log })
    const runtime = createDockerRuntime({ dataDir, image: testImage, tenantSubnet, modelGateway, log })
    return {
      runtime,
      async stop() {
        await runtime.close()
        await modelGateway.close()
      },
    }
  }
  return { docker, dataDir, keys, agent, newSpec }
}
