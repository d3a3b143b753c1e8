import { createHash } from 'node:crypto'
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { googleDefaults, type Sandbox, startSandbox } from '../index.ts'
import { get, post } from '../test-support.ts'

const redirectUri = 'http://localhost:3000/callback'
let sandbox: Sandbox
let config: client.Configuration

/** A client that knows nothing yet, as after a restart: it asks for the keys anew. */
const discover = (secret = googleDefaults.clientSecret, authentication?: client.ClientAuth) =>
  client.discovery(new URL(`${sandbox.url}/google`), googleDefaults.clientId, secret, authentication, {
    execute: [client.allowInsecureRequests],
  })

beforeAll(async () => {
  sandbox = await startSandbox({ port: 0 })
  config = await discover()
})
afterAll(() => sandbox.stop())

/** Walks to the consent page and answers it as a browser does. Gives where the person is sent then. */
async function consent(answer: Record<string, string>, more: Record<string, string> = {}) {
  const verifier = client.randomPKCECodeVerifier()
  const [state, nonce] = [client.randomState(), client.randomNonce()]
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: 'openid email profile',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...more,
  })
  const page = await (await fetch(url)).text()
  const response = await fetch(url, { method: 'POST', body: new URLSearchParams(answer), redirect: 'manual' })
  const callback = new URL(response.headers.get('location') ?? 'about:blank')
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce }
  return { page, callback, checks, url }
}
const ada = { account: 'ada@example.com' }

describe('openid-client, unchanged', () => {
  test.each([
    ['client_secret_post', () => client.ClientSecretPost()],
    ['client_secret_basic', () => client.ClientSecretBasic()],
  ])('signs a person in with PKCE, state and nonce (%s)', async (_, authentication) => {
    const own = await discover(googleDefaults.clientSecret, authentication())
    const { page, callback, checks } = await consent(ada)
    expect(page).toContain('ben@example.com')
    const tokens = await client.authorizationCodeGrant(own, callback, { ...checks, idTokenExpected: true })
    expect(tokens.claims()).toMatchObject({
      iss: `${sandbox.url}/google`,
      aud: googleDefaults.clientId,
      sub: expect.stringMatching(/^1\d{20}$/),
      email: 'ada@example.com',
      email_verified: true,
      name: 'Ada',
    })
    const half = createHash('sha256').update(tokens.access_token).digest().subarray(0, 16)
    expect(tokens.claims()?.at_hash).toBe(half.toString('base64url'))
    const sub = tokens.claims()?.sub ?? ''
    expect(await client.fetchUserInfo(own, tokens.access_token, sub)).toMatchObject({
      email: 'ada@example.com',
    })
    expect(tokens.refresh_token).toBeUndefined()
  })

  test('refreshes offline access until it is revoked', async () => {
    const { callback, checks } = await consent(ada, { access_type: 'offline' })
    const { refresh_token: token = '' } = await client.authorizationCodeGrant(config, callback, checks)
    expect((await client.refreshTokenGrant(config, token)).claims()?.email).toBe('ada@example.com')
    await client.tokenRevocation(config, token)
    await expect(client.refreshTokenGrant(config, token)).rejects.toMatchObject({ error: 'invalid_grant' })
  })

  test('is told when the person denies', async () => {
    const { callback, checks } = await consent({ deny: '1' })
    const asked = client.authorizationCodeGrant(config, callback, checks)
    await expect(asked).rejects.toMatchObject({ error: 'access_denied' })
  })

  test('believes new keys after a rotation, and no token of a dropped key', async () => {
    const certs = new URL(`${sandbox.url}/google/oauth2/v3/certs`)
    const published = async () => (await get<{ keys: object[] }>(certs.href)).keys.length
    const signIn = async () => {
      const own = await discover()
      client.enableNonRepudiationChecks(own)
      const { callback, checks } = await consent(ada)
      return (await client.authorizationCodeGrant(own, callback, checks)).id_token ?? ''
    }
    const rotate = (dropOld: boolean) => post(`${sandbox.url}/sim/google/rotate-keys`, { dropOld })
    const old = await signIn()
    await rotate(false)
    const next = await signIn()
    expect(decodeProtectedHeader(next).kid).not.toBe(decodeProtectedHeader(old).kid)
    expect(await published()).toBe(2)
    await jwtVerify(old, createRemoteJWKSet(certs))
    await rotate(true)
    expect(await published()).toBe(1)
    await expect(jwtVerify(old, createRemoteJWKSet(certs))).rejects.toMatchObject({
      code: 'ERR_JWKS_NO_MATCHING_KEY',
    })
    await signIn()
  })
})

describe('a code', () => {
  test('works once, and its tokens are taken back when it is used again', async () => {
    const { callback, checks } = await consent(ada)
    const tokens = await client.authorizationCodeGrant(config, callback, checks)
    const again = client.authorizationCodeGrant(config, callback, checks)
    await expect(again).rejects.toMatchObject({ error: 'invalid_grant' })
    const sub = tokens.claims()?.sub ?? ''
    await expect(client.fetchUserInfo(config, tokens.access_token, sub)).rejects.toThrow()
  })

  test('is lost with a wrong verifier', async () => {
    const { callback, checks } = await consent(ada)
    const wrong = { ...checks, pkceCodeVerifier: client.randomPKCECodeVerifier() }
    const asked = client.authorizationCodeGrant(config, callback, wrong)
    await expect(asked).rejects.toMatchObject({
      error: 'invalid_grant',
      error_description: 'Invalid code verifier.',
    })
    await expect(client.authorizationCodeGrant(config, callback, checks)).rejects.toMatchObject({
      error: 'invalid_grant',
    })
  })

  test('is nothing to a client with a wrong secret', async () => {
    const { callback, checks } = await consent(ada)
    const asked = client.authorizationCodeGrant(await discover('wrong'), callback, checks)
    await expect(asked).rejects.toMatchObject({ error: 'invalid_client', status: 401 })
  })
})

describe('accounts', () => {
  test('are added by programs, and with an address that was never verified', async () => {
    const email = 'mallory@example.com'
    await post(`${sandbox.url}/sim/google/users`, { email, name: 'Mallory M', emailVerified: false })
    const { callback, checks } = await consent({ account: email })
    const tokens = await client.authorizationCodeGrant(config, callback, checks)
    expect(tokens.claims()).toMatchObject({
      email,
      email_verified: false,
      given_name: 'Mallory',
      family_name: 'M',
    })
  })

  test('are added on the page, and keep their id', async () => {
    const subs = []
    for (const answer of [{ email: 'new@example.com', name: 'New' }, { account: 'new@example.com' }]) {
      const { callback, checks } = await consent(answer)
      subs.push((await client.authorizationCodeGrant(config, callback, checks)).claims()?.sub)
    }
    expect(subs[0]).toBe(subs[1])
    expect((await post(`${sandbox.url}/sim/google/users`, { email: 'x', name: '' })) as object).toMatchObject(
      {
        code: 'invalid_input',
      },
    )
  })
})

test.each([
  ['another client', { client_id: 'other' }],
  ['a target elsewhere', { redirect_uri: 'http://evil.example/callback' }],
  ['no openid', { scope: 'email' }],
  ['an implicit flow', { response_type: 'token' }],
])('%s is refused on the page, and nobody is redirected', async (_, more) => {
  const { page, callback } = await consent(ada, more)
  expect(page).toContain('Access blocked')
  expect(callback.href).toBe('about:blank')
})

test('faults apply', async () => {
  await post(`${sandbox.url}/sim/faults`, { provider: 'google', status: 503, count: 1 })
  await expect(discover()).rejects.toThrow()
})
