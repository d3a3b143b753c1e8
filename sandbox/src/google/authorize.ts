import { type Context, Hono } from 'hono'
import { html } from 'hono/html'
import { z } from 'zod'
import type { Env } from '../faults.ts'
import { type Html, page } from '../page/page.ts'
import { accountInput } from './accounts.ts'
import type { Provider } from './provider.ts'

const request = z.object({
  client_id: z.string(),
  redirect_uri: z.string().refine(isRedirectTarget, 'redirect_uri_mismatch'),
  response_type: z.literal('code'),
  scope: z.string().refine((scope) => scope.split(' ').includes('openid'), 'the scope openid is missing'),
  state: z.string().optional(),
  nonce: z.string().optional(),
  code_challenge: z.string().min(43).max(128).optional(),
  code_challenge_method: z.enum(['plain', 'S256']).default('plain'),
  access_type: z.enum(['online', 'offline']).default('online'),
  login_hint: z.string().optional(),
  prompt: z.string().optional(),
})
type AuthorizationRequest = z.infer<typeof request>

/** As Google has it: https, or this machine. */
function isRedirectTarget(value: string): boolean {
  const url = URL.parse(value)
  if (url?.hash !== '') return false
  const isHere = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
  return url.protocol === 'https:' || (url.protocol === 'http:' && isHere)
}

export const authorizationPath = '/o/oauth2/v2/auth'

/** The consent page: choose an account, add one, or deny. It is the only place where a code is made. */
export function authorizeRoutes(provider: Provider): Hono<Env> {
  const app = new Hono<Env>()

  app.get(authorizationPath, (c) => {
    const asked = read(provider, c)
    if ('refusal' in asked) return c.html(refusalPage(asked.refusal), 400)
    if (asked.prompt === 'none') return back(c, asked, { error: 'interaction_required' })
    return c.html(picker(provider, asked))
  })

  app.post(authorizationPath, async (c) => {
    const asked = read(provider, c)
    if ('refusal' in asked) return c.html(refusalPage(asked.refusal), 400)
    const chosen = await c.req.parseBody({ all: true })
    if (chosen.deny !== undefined) return back(c, asked, { error: 'access_denied' })
    const added = accountInput.safeParse({ email: chosen.email, name: chosen.name })
    const account = added.success
      ? (provider.accounts.find(added.data.email) ?? provider.accounts.add(added.data))
      : provider.accounts.find(String(chosen.account ?? ''))
    if (!account) return c.html(picker(provider, asked, 'Choose an account, or fill in both fields.'), 422)
    const scope = agreedScope(asked.scope, chosen)
    const code = provider.grants.issueCode({
      email: account.email,
      clientId: asked.client_id,
      redirectUri: asked.redirect_uri,
      scope,
      nonce: asked.nonce,
      challenge: asked.code_challenge,
      challengeMethod: asked.code_challenge_method,
      isOffline: asked.access_type === 'offline',
    })
    return back(c, asked, { code, scope, authuser: '0', prompt: 'consent' })
  })
  return app
}

/** What signing in needs, and nobody is asked about one by one. */
const identity = ['openid', 'email', 'profile']
const services = (scope: string) => scope.split(' ').filter((name) => !identity.includes(name))

/**
 * Each service's box may be left empty, whatever the app asked for. The page says which boxes it had; a program that posts an
 * account alone agrees to everything.
 */
function agreedScope(asked: string, chosen: Record<string, unknown>): string {
  if (chosen.boxes === undefined) return asked
  const ticked = [chosen.agreed ?? []].flat()
  return asked
    .split(' ')
    .filter((name) => identity.includes(name) || ticked.includes(name))
    .join(' ')
}

/** What is wrong is told to the person and not to the client: a wrong client or address may not be redirected to. */
function read(provider: Provider, c: Context<Env>): AuthorizationRequest | { refusal: string } {
  const parsed = request.safeParse(c.req.query())
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    return { refusal: `invalid_request: ${issue?.path.join('.')}: ${issue?.message}` }
  }
  if (parsed.data.client_id !== provider.clientId)
    return { refusal: 'invalid_client: The OAuth client was not found.' }
  return parsed.data
}

function back(
  c: Context<Env>,
  { redirect_uri, state }: AuthorizationRequest,
  answer: Record<string, string>,
) {
  const url = new URL(redirect_uri)
  for (const [name, value] of Object.entries({ ...(state === undefined ? {} : { state }), ...answer })) {
    url.searchParams.set(name, value)
  }
  return c.redirect(url.href, 303)
}

const refusalPage = (refusal: string): Html =>
  page('Sign in', html`<h1>Access blocked</h1><p class="bad">Error: ${refusal}</p>`)

function picker(provider: Provider, asked: AuthorizationRequest, trouble = ''): Html {
  const hinted = asked.login_hint?.toLowerCase()
  const accounts = provider.accounts
    .all()
    .sort((a, b) => Number(b.email.toLowerCase() === hinted) - Number(a.email.toLowerCase() === hinted))
  return page(
    'Sign in',
    html`<h1>Choose an account</h1>
      <p class="dim">to continue to ${new URL(asked.redirect_uri).host}</p>
      ${services(asked.scope).length === 0 ? '' : html`<p>It asks for more than who you are. Tick what it may do.</p>`}
      ${trouble ? html`<p class="bad" role="alert">${trouble}</p>` : ''}
      <form method="post">
        ${boxes(asked.scope)}
        ${accounts.map(
          ({ name, email, emailVerified }) =>
            html`<button name="account" value="${email}">
              ${name}<small>${email}${emailVerified ? '' : ' · not verified'}</small>
            </button>`,
        )}
        <button name="deny" value="1">Cancel</button>
      </form>
      <form method="post">
        <h2>Use another account</h2>
 ${boxes(asked.scope)}
        <label>Name<input name="name" required autocomplete="off" /></label>
        <label>E-mail<input name="email" type="email" required autocomplete="off" /></label>
        <button class="main" type="submit">Continue</button>
      </form>
      <small>Stands for accounts.google.com.</small>`,
  )
}

const boxes = (scope: string): Html =>
  services(scope).length === 0
    ? html``
    : html`<input type="hidden" name="boxes" value="1" />${services(scope).map(
        (name) =>
          html`<label class="row"
            ><span>${name.replace('https://www.googleapis.com/auth/', '')}</span
            ><input type="checkbox" name="agreed" value="${name}" checked style="width:auto"
          /></label>`,
      )}`
