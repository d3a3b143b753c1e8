import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { noContents } from '../testing/no-contents.ts'
import { noFiles } from '../testing/no-files.ts'
import { createWhatsapp } from './whatsapp.ts'

interface Asked {
  path: string
  form: Record<string, string>
  authorization: string | undefined
}

/** Twilio's API that answers with what it is given, over a real socket. */
async function withTwilio(
  answers: { status: number; body: object }[],
  work: (apiBase: string, asked: Asked[]) => Promise<void>,
) {
  const asked: Asked[] = []
  const server = createServer(async (request: IncomingMessage, response) => {
    const form = Object.fromEntries(new URLSearchParams(await text(request)))
    asked.push({ path: request.url ?? '', form, authorization: request.headers.authorization })
    const answer = answers.shift()
    if (!answer) return response.destroy()
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}/twilio`, asked)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

const accountSid = `AC${'0'.repeat(32)}`
const connect = (apiBase: string) =>
  createWhatsapp({
    files: noFiles,
    contents: noContents,
    log: pino({ enabled: false }),
    accountSid,
    authToken: 'secret-token',
    number: '+15550100',
    apiBase,
    statusUrl: 'https://api.test/status',
  })
const refuse = (status: number, code: number) => ({
  status,
  body: { status, code, message: 'The number whatsapp:+15550001 is wrong' },
})
const accepted = { status: 201, body: { sid: 'SM1' } }
const ada = 'whatsapp:+15550001'

test('text, templates and typing go out, and a status is asked for by delivery and attempt', async () => {
  const answers = [accepted, accepted, { status: 200, body: { success: true } }]
  await withTwilio(answers, async (apiBase, asked) => {
    const whatsapp = connect(apiBase)
    const attempt = { deliveryId: 'd1', attempt: 2 }
    expect(await whatsapp.send(ada, { text: '*hi*' }, attempt)).toEqual({ providerMessageId: 'SM1' })
    await whatsapp.send(ada, { text: 'x', template: { contentSid: 'HX1', variables: { 1: 'Ada' } } })
    await whatsapp.typing(ada, 'SM9')
    await whatsapp.typing(ada, null)
    expect(asked).toHaveLength(3)
    expect(asked[0]).toMatchObject({
      path: `/twilio/2010-04-01/Accounts/${accountSid}/Messages.json`,
      authorization: `Basic ${btoa(`${accountSid}:secret-token`)}`,
      form: {
        From: 'whatsapp:+15550100',
        To: ada,
        Body: '*hi*',
        StatusCallback: 'https://api.test/status?delivery=d1&attempt=2#rc=5&rp=all',
      },
    })
    expect(asked[1]?.form).toMatchObject({ ContentSid: 'HX1', ContentVariables: '{"1":"Ada"}' })
    expect(asked[1]?.form).not.toHaveProperty('Body')
    expect(asked[2]).toMatchObject({
      path: '/twilio/v2/Indicators/Typing.json',
      form: { messageId: 'SM9', channel: 'whatsapp' },
    })
  })
})

test('M6, S8: each of Twilio’s numbers says what comes next, and its words stay out of the error', async () => {
  const cases = [
    [refuse(429, 20429), 'retry'],
    [refuse(500, 12345), 'retry'],
    [refuse(400, 63018), 'retry'],
    [refuse(400, 21211), 'permanent'],
    [refuse(400, 12345), 'permanent'],
    [refuse(400, 21610), 'opted_out'],
    [refuse(400, 63016), 'window_closed'],
  ] as const
  await withTwilio([...cases.map(([answer]) => answer), refuse(429, 20429)], async (apiBase) => {
    const whatsapp = connect(apiBase)
    const failure = () => whatsapp.send(ada, { text: 'x' }).catch((error: unknown) => error)
    for (const [answer, kind] of cases) {
      const error = await failure()
      expect(error).toMatchObject({ code: `twilio_${answer.body.code}`, kind })
      expect(`${JSON.stringify(error)} ${String(error)}`).not.toContain('15550001')
    }
    const full = await failure()
    expect(full).toMatchObject({ retryAfterMs: 10_000, isGuess: true })
    const cut = await failure()
    expect(cut).toMatchObject({ code: 'twilio_unreachable', kind: 'retry', cause: undefined })
  })
})
