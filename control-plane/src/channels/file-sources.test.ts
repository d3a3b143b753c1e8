import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { createFileSources } from './file-sources.ts'

const accountSid = `AC${'0'.repeat(32)}`

/** A Twilio that answers with what it is given, and remembers who asked. */
async function withTwilio(answers: { status: number; location?: string; body?: string }[]) {
  const asked: { url: string; authorization: string | undefined }[] = []
  const server = createServer((request, response) => {
    asked.push({ url: request.url ?? '', authorization: request.headers.authorization })
    const { status, location, body } = answers.shift() ?? { status: 500 }
    response.writeHead(status, location === undefined ? {} : { location }).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const root = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const sources = createFileSources({
    telegram: { token: 'T', apiRoot: `${root}/telegram` },
    twilio: { accountSid, authToken: 'secret', apiBase: root },
  })
  const open = (url: string) => sources.open({ at: 'twilio', url }, AbortSignal.timeout(5_000))
  return { root, asked, open, media: `${root}/2010-04-01/Accounts/${accountSid}/Messages/MM1/Media/ME1` }
}

test('S3: our credentials go to Twilio itself, and not to where it sends us on', async () => {
  const { root, asked, open, media } = await withTwilio([
    { status: 307, location: '/kept/elsewhere' },
    { status: 200, body: 'bytes' },
  ])
  expect(await text(await open(media))).toBe('bytes')
  expect(asked).toEqual([
    { url: new URL(media).pathname, authorization: expect.stringMatching(/^Basic /) },
    { url: '/kept/elsewhere', authorization: undefined },
  ])
  expect(root).toMatch(/^http/)
})

test.each([
  'http://169.254.169.254/latest/meta-data',
  'http://mms.twiliocdn.com/a',
  'https://mms.twiliocdn.com:8443/a',
  'https://mms.twiliocdn.com.evil.test/a',
  'https://s3-external-1.amazonaws.com/somebody-else/a',
  'https://localhost/a',
  'file:///etc/passwd',
])('S2: a redirect to %s is not followed', async (location) => {
  const { asked, open, media } = await withTwilio([{ status: 302, location }])
  await expect(open(media)).rejects.toMatchObject({ code: 'file_unavailable', isPassing: false })
  expect(asked).toHaveLength(1)
})

test('S2: an address that is not of our own account at Twilio is never asked for', async () => {
  const { root, asked, open } = await withTwilio([])
  for (const url of [
    'https://evil.test/2010-04-01/Accounts/AC1/Media',
    `${root}/elsewhere`,
    `${root}/2010-04-01/Accounts/AC9/Messages/MM1/Media/ME1`,
    `${root}/2010-04-01/Accounts/${accountSid}/../../../sim`,
  ])
    await expect(open(url)).rejects.toMatchObject({ code: 'file_unavailable' })
  expect(asked).toEqual([])
})

test('F8: redirects end, and a failure of the provider may pass', async () => {
  const loop = await withTwilio(Array.from({ length: 9 }, () => ({ status: 302, location: '/again' })))
  await expect(loop.open(loop.media)).rejects.toMatchObject({ isPassing: false })
  expect(loop.asked).toHaveLength(4)
  const broken = await withTwilio([{ status: 503 }])
  await expect(broken.open(broken.media)).rejects.toMatchObject({ isPassing: true })
})

test('F8: who waits no longer for Telegram is not kept until it answers', async () => {
  const server = createServer(() => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const root = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const sources = createFileSources({
    telegram: { token: 'T', apiRoot: root },
    twilio: { accountSid, authToken: 'secret', apiBase: root },
  })
  const patience = new AbortController()
  server.once('request', () => patience.abort())
  const opened = sources.open({ at: 'telegram', fileId: 'f' }, patience.signal)
  await expect(opened).rejects.toMatchObject({ code: 'file_unavailable' })
}, 10_000)
