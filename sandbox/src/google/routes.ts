import { createHash, timingSafeEqual } from 'node:crypto'
import { type Context, Hono } from 'hono'
import { html } from 'hono/html'
import { type Env, type Faults, faulty } from '../faults.ts'
import { page, places } from '../page/page.ts'
import type { GoogleAccount } from './accounts.ts'
import { errorBody } from './apis/auth.ts'
import { calendarRoutes } from './apis/calendar.ts'
import { driveRoutes } from './apis/drive.ts'
import { gmailRoutes } from './apis/gmail.ts'
import { authorizationPath, authorizeRoutes } from './authorize.ts'
import { type Grant, TokenError, tokenLifetimeS } from './grants.ts'
import type { Provider } from './provider.ts'

/** Each API may fail by itself, while the sign-in works. */
const apiFault = (faults: Faults, name: 'calendar' | 'gmail' | 'drive') =>
  faulty(faults, name, (status) => errorBody(status))

/** Google's OpenID Connect (https://developers.google.com/identity/openid-connect/openid-connect), and its APIs. */
export function googleRoutes(provider: Provider, faults: Faults): Hono<Env> {
  const app = new Hono<Env>()
  app.use('/calendar/v3/*', apiFault(faults, 'calendar'))
  app.route('/calendar/v3', calendarRoutes(provider))
  app.use('/gmail/v1/*', apiFault(faults, 'gmail'))
  app.route('/gmail/v1', gmailRoutes(provider))
  app.use('/drive/v3/*', apiFault(faults, 'drive'))
  app.use('/upload/drive/v3/*', apiFault(faults, 'drive'))
  app.route('/', driveRoutes(provider))
  app.use(
    '*',
    faulty(faults, 'google', () => ({ error: 'internal_failure', error_description: 'Sandbox fault' })),
  )

  app.get('/', (c) => {
    const accounts = provider.accounts
      .all()
      .map(({ name, email }) => html`<li>${name} <small>${email}</small></li>`)
    return c.html(page('Google accounts', html`${places}<h1>Google accounts</h1><ul>${accounts}</ul>`))
  })
  app.get('/.well-known/openid-configuration', (c) => c.json(metadata(issuerOf(c))))
  app.get('/oauth2/v3/certs', async (c) => {
    c.header('cache-control', 'public, max-age=20000, must-revalidate')
    return c.json(await provider.keys.jwks())
  })
  app.route('/', authorizeRoutes(provider))

  app.post('/token', async (c) => {
    const form = new URLSearchParams(await c.req.text())
    requireClient(provider, c, form)
    const { grant, accessToken, refreshToken } = redeem(provider, form)
    const account = provider.accounts.find(grant.email)
    if (!account) throw new TokenError('invalid_grant', 'Account has been deleted')
    c.header('cache-control', 'no-store')
    return c.json({
      access_token: accessToken,
      expires_in: tokenLifetimeS,
      ...(refreshToken ? { refresh_token: refreshToken } : {}),
      scope: grant.scope,
      token_type: 'Bearer',
      id_token: await provider.keys.sign(idClaims(issuerOf(c), grant, account, accessToken)),
    })
  })
  app.on(['GET', 'POST'], '/v1/userinfo', (c) => {
    const token = (c.req.header('authorization') ?? '').replace(/^Bearer\s+/i, '')
    const grant = provider.grants.byAccessToken(token)
    const account = grant && provider.accounts.find(grant.email)
    if (!account) {
      c.header('www-authenticate', 'Bearer realm="https://accounts.google.com/", error="invalid_token"')
      return c.json({ error: 'invalid_request', error_description: 'Invalid Credentials' }, 401)
    }
    return c.json({ sub: account.sub, ...claims(grant, account) })
  })
  app.post('/revoke', async (c) => {
    const token = new URLSearchParams(await c.req.text()).get('token') ?? c.req.query('token') ?? ''
    if (provider.grants.revoke(token)) return c.json({})
    return c.json({ error: 'invalid_token', error_description: 'Token expired or revoked' }, 400)
  })

  app.onError((error, c) => {
    if (!(error instanceof TokenError)) throw error
    return c.json({ error: error.code, error_description: error.message }, error.status as 400)
  })
  // A mounted application's notFound is never asked.
  app.all('*', (c) => c.json({ error: 'not_found' }, 404))
  return app
}

/** The issuer is wherever the caller found us. */
const issuerOf = (c: Context<Env>) => `${new URL(c.req.url).origin}/google`

function metadata(issuer: string): object {
  return {
    issuer,
    authorization_endpoint: `${issuer}${authorizationPath}`,
    token_endpoint: `${issuer}/token`,
    userinfo_endpoint: `${issuer}/v1/userinfo`,
    revocation_endpoint: `${issuer}/revoke`,
    jwks_uri: `${issuer}/oauth2/v3/certs`,
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    scopes_supported: ['openid', 'email', 'profile'],
    token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic'],
    claims_supported: [
      'aud',
      'email',
      'email_verified',
      'exp',
      'family_name',
      'given_name',
      'iat',
      'iss',
      'name',
      'sub',
    ],
    code_challenge_methods_supported: ['plain', 'S256'],
    grant_types_supported: ['authorization_code', 'refresh_token'],
  }
}

function requireClient(provider: Provider, c: Context<Env>, form: URLSearchParams): void {
  const basic = /^Basic (.+)$/i.exec(c.req.header('authorization') ?? '')?.[1]
  const [id, secret] = basic
    ? Buffer.from(basic, 'base64').toString().split(':').map(decodeURIComponent)
    : [form.get('client_id'), form.get('client_secret')]
  const [given, expected] = [Buffer.from(secret ?? ''), Buffer.from(provider.clientSecret)]
  const isRight = given.length === expected.length && timingSafeEqual(given, expected)
  if (id !== provider.clientId || !isRight) throw new TokenError('invalid_client', 'Unauthorized', 401)
}

function redeem({ grants, clientId }: Provider, form: URLSearchParams) {
  const kind = form.get('grant_type')
  if (kind === 'refresh_token') return grants.refresh(form.get('refresh_token') ?? '', clientId)
  if (kind !== 'authorization_code')
    throw new TokenError('unsupported_grant_type', `Invalid grant_type: ${kind ?? ''}`)
  const redirectUri = form.get('redirect_uri') ?? ''
  const verifier = form.get('code_verifier') ?? undefined
  return grants.redeem(form.get('code') ?? '', { clientId, redirectUri, verifier })
}

function idClaims(issuer: string, grant: Grant, account: GoogleAccount, accessToken: string) {
  const now = Math.floor(Date.now() / 1000)
  const half = createHash('sha256').update(accessToken).digest().subarray(0, 16)
  return {
    iss: issuer,
    azp: grant.clientId,
    aud: grant.clientId,
    sub: account.sub,
    at_hash: half.toString('base64url'),
    ...(grant.nonce === undefined ? {} : { nonce: grant.nonce }),
    ...claims(grant, account),
    iat: now,
    exp: now + 3_600,
  }
}

/** What the scopes that were agreed to tell of the account. */
function claims({ scope }: Grant, { email, emailVerified, name }: GoogleAccount) {
  const scopes = scope.split(' ')
  const [given_name, ...others] = name.split(' ')
  return {
    ...(scopes.includes('email') ? { email, email_verified: emailVerified } : {}),
    ...(scopes.includes('profile') ? { name, given_name, family_name: others.join(' ') } : {}),
  }
}
