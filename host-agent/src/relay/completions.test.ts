import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { TurnInput } from '@yourclaw/proto/host/v1'
import { expect, test } from 'vitest'
import { complete } from './completions.ts'

const mebibyte = 'x'.repeat(2 ** 20)
const most = 64

/** A gateway that a tenant put in the place of theirs: it answers with one line that has no end. Resolves with what it got rid of. */
async function hostileGateway(status: number) {
  const taken = Promise.withResolvers<number>()
  const server = createServer(async (request, response) => {
    request.resume()
    response.writeHead(status, { 'content-type': 'text/event-stream' })
    let pieces = 0
    const left = once(response, 'close')
    while (pieces < most && !response.destroyed) {
      pieces += 1
      if (!response.write(`${pieces === 1 ? 'data: ' : ''}${mebibyte}`))
        await Promise.race([once(response, 'drain'), left])
    }
    response.destroy()
    taken.resolve(pieces)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, taken: taken.promise, close: () => server.close() }
}

test.each([200, 500])('F8: of an answer without an end (%i) little is read', async (status) => {
  const gateway = await hostileGateway(status)
  const asked = complete({
    target: { url: gateway.url, gatewayToken: 't' },
    sessionKey: 's',
    turn: TurnInput.create({ messages: [{ text: 'hi' }] }),
    signal: AbortSignal.timeout(20_000),
    onText() {},
  })
  await expect(asked).rejects.toMatchObject({ code: 'gateway_error', retryable: true })
  expect(await gateway.taken).toBeLessThan(most / 2)
  gateway.close()
})
