import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from '@yourclaw/control-plane/testing'
import { startSandbox } from '@yourclaw/sandbox'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { buildStandIns, composeUp, lacksCompose } from './compose.ts'
import { must, run } from './machine.ts'

const reason = await lacksCompose()
if (reason !== undefined) console.warn(`The composed installation is not tested: ${reason}.`)

const root = fileURLToPath(new URL('../..', import.meta.url))
const deadlineMs = 60_000

async function until<T>(what: string, ask: () => Promise<T>, isSo: (answer: T) => boolean): Promise<T> {
  const deadline = Date.now() + deadlineMs
  for (;;) {
    const answer = await ask()
    if (isSo(answer)) return answer
    if (Date.now() > deadline) throw new Error(`${what}: ${JSON.stringify(answer)}`)
    await pause(250)
  }
}

const key = (id: string) => `${id}:${randomBytes(32).toString('base64')}`

test.skipIf(reason !== undefined)(
  'one server: what compose brings up answers a message that came in through its front door',
  async () => {
    await buildStandIns()
    const sandbox = await startSandbox({ port: 0, host: '0.0.0.0' })
    onTestFinished(sandbox.stop)
    const { port } = new URL(sandbox.url)
    const [http, https, api, grpc, postgres] = await Promise.all(Array.from({ length: 5 }, freePort))
    const front = `http://localhost:${http}`
    const settings = {
      SITE_ADDRESS: ':80',
      HTTP_PORT: String(http),
      HTTPS_PORT: String(https),
      API_PORT: String(api),
      GRPC_LISTEN_PORT: String(grpc),
      GRPC_PUBLIC_ADDRESS: `localhost:${grpc}`,
      WEB_URL: 'https://assistants.test',
      API_URL: front,
      POSTGRES_PASSWORD: randomBytes(12).toString('hex'),
      SESSION_SIGNING_KEYS: key('s'),
      ENCRYPTION_KEYS: key('e'),
      CHANNELS_ENABLED: 'telegram,web',
      TELEGRAM_BOT_TOKEN: '1000:composed',
      TELEGRAM_BOT_USERNAME: 'composed_bot',
      TELEGRAM_WEBHOOK_SECRET: randomBytes(12).toString('hex'),
      TELEGRAM_API_ROOT: `http://sandbox:${port}/telegram`,
      STRIPE_API_BASE: `http://sandbox:${port}`,
      STRIPE_SECRET_KEY: 'sk_test_composed',
      STRIPE_WEBHOOK_SECRET: 'whsec_composed',
      STRIPE_PRICE_ID: 'price_sandboxMonthly',
      RESEND_BASE_URL: `http://sandbox:${port}/resend`,
      RESEND_API_KEY: 're_composed',
      MAIL_FROM: 'hello@assistants.test',
      BACKUP_STORE: 'file:///backups',
      OPERATOR_EMAILS: 'operator@assistants.test',
      GOOGLE_CLIENT_ID: 'composed',
      GOOGLE_CLIENT_SECRET: 'composed',
      ANTHROPIC_API_KEY: 'sk-ant-composed',
      OPENAI_API_KEY: 'sk-composed',
      GOOGLE_API_KEY: 'google-composed',
      // The host's agent is on the machine's own network.
      ANTHROPIC_BASE_URL: `http://127.0.0.1:${port}/anthropic`,
      // Walls are not what this is about, and the machine's own shall stand.
      RUNTIME: 'fake',
    }
    const { compose, down } = await composeUp(settings, {
      services: {
        'control-plane': { extra_hosts: ['sandbox:host-gateway'] },
        'host-agent': { volumes: ['assistants:/data/yourclaw'] },
        postgres: { ports: [`127.0.0.1:${postgres}:5432`] },
      },
      volumes: { assistants: {} },
    })
    onTestFinished(down)

    // Someone who pays; how one becomes that is told elsewhere.
    const database = `postgresql://yourclaw:${settings.POSTGRES_PASSWORD}@127.0.0.1:${postgres}/yourclaw`
    const { SESSION_SIGNING_KEYS, ENCRYPTION_KEYS, API_URL } = settings
    const bearer = await must(process.execPath, [`${root}/tools/dev/user.ts`], {
      env: { PATH: process.env.PATH, DATABASE_URL: database, SESSION_SIGNING_KEYS, ENCRYPTION_KEYS, API_URL },
    })
    const call = async (method: string, path: string, body?: object) => {
      const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' }
      const init = { method, headers, ...(body && { body: JSON.stringify(body) }) }
      return (await fetch(`${front}/api/v1${path}`, init)).json()
    }
    const local = `http://127.0.0.1:${port}`
    const phone = `${local}/sim/telegram/4242/messages`
    const say = (text: string) =>
      fetch(phone, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ text }),
      })
    const heard = async () => JSON.stringify(await (await fetch(phone)).json())

    expect(await (await fetch(front)).text()).toContain('<html')
    await call('POST', '/assistants')
    const assistant = async () => z.object({ status: z.string() }).parse(await call('GET', '/assistants'))
    await until('the assistant', assistant, ({ status }) => status === 'READY').catch(async (error) => {
      throw new Error(`${error}\n${(await compose('logs', '--tail', '30')).output}`)
    })
    const binding = await call('POST', '/users/me/channel', { channel: 'TELEGRAM' })
    const { bindUrl } = z.object({ bindUrl: z.string() }).parse(binding)
    await say(`/start ${new URL(bindUrl).searchParams.get('start')}`)
    await until('the greeting', heard, (said) => said.includes('text'))
    await say('as it was composed')
    await until('the answer', heard, (said) => said.includes('as it was composed'))

    for (const service of ['control-plane', 'web']) {
      const { output } = await compose('exec', '-T', service, 'id', '-u')
      expect(output.trim()).toBe('1000')
    }
    const sizes = await run('docker', [
      'image',
      'inspect',
      '-f',
      '{{.Size}}',
      'yourclaw-control-plane',
      'yourclaw-web',
    ])
    console.log(`control plane and web on their base: ${sizes.output.split('\n').join(' ')} bytes`)
  },
  900_000,
)
