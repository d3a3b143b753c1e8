import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { createTestDatabase, type TestDatabase } from '@yourclaw/db/testing'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApp } from '../../app.ts'
import { type Deps, openDeps } from '../../deps.ts'
import { readEnv } from '../../env.ts'
import { csr } from '../../fleet/fixtures.ts'
import { createJoinToken } from '../../services/host/create-join-token.ts'

let database: TestDatabase
let deps: Deps
let app: ReturnType<typeof createApp>
beforeAll(async () => {
  database = await createTestDatabase()
  deps = await openDeps(readEnv({ NODE_ENV: 'test' }), database.url, pino({ enabled: false }))
  app = createApp(deps)
})
afterAll(async () => {
  await deps.close()
  await database.close()
})

async function enroll(body: unknown) {
  const response = await app.request('/api/v1/hosts/enroll', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  return { status: response.status, body: JSON.parse(await response.text()) }
}

async function rsaCsr() {
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: new Uint8Array([1, 0, 1]) }
  const keys = await webcrypto.subtle.generateKey({ ...algorithm, modulusLength: 1024 }, true, [
    'sign',
    'verify',
  ])
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=x',
    keys,
    signingAlgorithm: algorithm,
  })
  return request.toString('pem')
}

test('S6, O3: whatever is wrong with an enrollment is refused with a code, and spends no token and makes no host', async () => {
  const { csrPem } = await csr()
  const { token } = await createJoinToken({
    ctx: deps.ctx,
    input: { createdBy: 'operator:test', hostName: 'h1' },
  })
  const good = { token, csr: csrPem, name: 'h1' }
  const cases: [unknown, number, string][] = [
    ['{', 400, 'bad_request'],
    [[], 400, 'invalid_input'],
    [{ ...good, token: 7 }, 400, 'invalid_input'],
    [{ ...good, token: 'x'.repeat(300) }, 400, 'invalid_input'],
    [{ ...good, token: 'made up' }, 401, 'invalid_join_token'],
    [{ ...good, name: 'h2' }, 401, 'invalid_join_token'],
    [{ ...good, name: '../../etc' }, 400, 'invalid_host_name'],
    [{ ...good, name: '\u0000' }, 400, 'invalid_input'],
    [{ ...good, csr: 'no csr' }, 400, 'invalid_csr'],
    [{ ...good, csr: csrPem.slice(0, 200) }, 400, 'invalid_csr'],
    [{ ...good, csr: deps.authority.caPem }, 400, 'invalid_csr'],
    [{ ...good, csr: await rsaCsr() }, 400, 'invalid_csr'],
    [{ ...good, csr: 'x'.repeat(20_000) }, 400, 'invalid_input'],
    [{ ...good, caPin: 'sha256:0' }, 400, 'invalid_input'],
    [{ ...good, caPin: `sha256:${'0'.repeat(64)}` }, 409, 'ca_pin_mismatch'],
  ]
  for (const [body, status, code] of cases) {
    expect([body, await enroll(body)]).toMatchObject([
      body,
      { status, body: { code, detail: expect.any(String) } },
    ])
  }
  expect(await deps.db.hostServer.count()).toBe(0)
  expect(await enroll(good)).toMatchObject({ status: 200, body: { grpcAddress: 'localhost:8443' } })
  expect(await enroll(good)).toMatchObject({ status: 401, body: { code: 'invalid_join_token' } })
})
