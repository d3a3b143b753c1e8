import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Logger } from 'pino'
import type { Metering } from '../metering/metering.ts'
import type { CallWatch, Watch } from '../observability/watch.ts'
import { type Account, openAccount } from './account.ts'
import { type Admitted, admit } from './admission.ts'
import { type Asked, readAsked } from './asked.ts'
import { readBody } from './body.ts'
import { failureDetail } from './failures.ts'
import { searchFreely } from './free-search.ts'
import type { Caller, KeyRing } from './keys.ts'
import type { OpenCalls, OpenEntry } from './open-calls.ts'
import {
  answeredHeaders,
  modelInPath,
  type ProviderRoute,
  sentHeaders,
  sentQuery,
  shownKey,
} from './providers.ts'
import type { Rates } from './rates.ts'
import { Refusal } from './refusal.ts'
import { CallerLeft, LeftBetween, type Patience, ProviderSilent, send, type Upstream } from './upstream.ts'
import { createUsageReader } from './usage-reader.ts'

export interface CallDeps {
  routes: Map<string, ProviderRoute>
  keys: KeyRing
  metering: Metering
  watch: Watch
  log: Logger
  /** Asked for web searches when there is no key for them; absent = nobody is. */
  freeSearchUrl?: string | undefined
  open: OpenCalls
  patience: Patience
}

/** Longest wait for the shared key's rate. */
const maxRateWaitMs = 120_000

/** One call from its head to its end. Throws a Refusal for what is not made, or whose failure is told in our words. */
export async function handleCall(
  request: IncomingMessage,
  response: ServerResponse,
  deps: CallDeps,
  /** Whose door it came through; another's key is worth nothing there. */
  owner: string | undefined,
): Promise<void> {
  const { route, path, query } = findRoute(request, deps.routes)
  const caller = identify(request, query, route, deps.keys, owner)
  const { assistantId } = caller
  const entry = deps.open.enter(assistantId)
  const called = { route, path, query, entry }
  try {
    if (caller.key)
      await make(request, response, deps, { ...called, caller: { assistantId, key: caller.key } })
    else if (route.name === 'brave' && deps.freeSearchUrl !== undefined)
      await searchWithoutKey(response, deps.freeSearchUrl, query)
    else throw new Refusal(422, 'no_provider_key', 'There is no key for this provider.')
  } catch (error) {
    if (error instanceof Refusal) deps.metering.failed(assistantId, error)
    throw error
  } finally {
    entry.leave()
  }
}

async function searchWithoutKey(response: ServerResponse, baseUrl: string, query: URLSearchParams) {
  const left = new AbortController()
  response.once('close', () => left.abort())
  const body = JSON.stringify(await searchFreely(baseUrl, query, left.signal))
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(body)
}

interface Target {
  route: ProviderRoute
  path: string
  query: URLSearchParams
  caller: Required<Caller>
  entry: OpenEntry
}

/** A call that may be made. */
interface Prepared {
  asked: Asked
  admitted: Admitted
}

/** Reads a call and holds back what it may cost. What was parsed is not kept while the call runs. */
function prepare(sent: Buffer, deps: CallDeps, { route, path, caller }: Target): Prepared {
  const isSse = path.includes(':streamGenerateContent')
  const { asked, body } = readAsked(route.flavor(path), modelInPath(path), sent, isSse)
  const admitted = admit({
    ledger: deps.metering.ledger,
    caller,
    route,
    asked,
    body,
    bytes: sent,
    bound: deps.metering.bound(caller.assistantId),
    now: Date.now,
  })
  return { asked, admitted }
}

async function make(request: IncomingMessage, response: ServerResponse, deps: CallDeps, target: Target) {
  const { route, path, query, caller, entry } = target
  const { assistantId, key } = caller
  const { asked, admitted } = prepare(await readBody(request, entry.grow), deps, target)
  const account = openAccount({
    ...{ metering: deps.metering, route, asked, admitted },
    failed: (err) => deps.log.error({ err, call: path }, 'a call could not be counted'),
  })
  const left = new AbortController()
  response.once('close', () => left.abort())
  if (response.destroyed) left.abort()
  let upstream: Upstream
  const watched = deps.watch.modelCall({ provider: route.name, assistantId })
  let isSent = false
  try {
    if (!key.isOwn && asked.flavor !== 'count') {
      await waitForRate(deps.metering.rates, route, assistantId, asked, left.signal)
      account.took()
    }
    const headers = {
      ...sentHeaders(request.headers),
      'accept-encoding': 'identity',
      ...(route.method === 'POST' && { 'content-length': admitted.bytes.length }),
      ...route.keyHeaders(key.value),
    }
    const along = sentQuery(route, query)
    const url = new URL(route.baseUrl + path + (along.size > 0 ? `?${along}` : ''))
    const { method, name: provider } = route
    const { streamedMs, wholeMs } = deps.patience
    const silentMs = asked.isStreamed ? streamedMs : wholeMs
    isSent = true
    account.sent()
    upstream = await send({ provider, method, url, headers, bytes: admitted.bytes, silentMs }, left.signal)
  } catch (error) {
    // A provider that fails counts nothing; one whose caller left, or that nobody could hear, was at work.
    const hasLeft = left.signal.aborted && !(error instanceof LeftBetween)
    const wasAtWork = hasLeft || (error instanceof ProviderSilent && !asked.isStreamed)
    if (isSent && wasAtWork) account.count()
    else account.free()
    watched.end('unreachable')
    throw hasLeft ? new CallerLeft() : error
  }
  if (upstream.kind === 'failure') {
    account.free()
    return fail(response, deps, target, upstream, watched)
  }
  await passOn(upstream.answer, response, deps.patience, {
    asked,
    account,
    route,
    watched,
    left: left.signal,
  })
}

async function waitForRate(
  rates: Rates,
  route: ProviderRoute,
  assistantId: string,
  asked: Asked,
  left: AbortSignal,
): Promise<void> {
  const signal = AbortSignal.any([left, AbortSignal.timeout(maxRateWaitMs)])
  if (await rates.take(route.provider, assistantId, asked.inputTokens, signal)) return
  left.throwIfAborted()
  throw new Refusal(422, 'shared_key_busy', 'The platform’s key is busy. Try again in a minute.')
}

/** Passes an answer on as it comes and counts it: at the provider's last word, before the caller has that. */
async function passOn(
  answer: IncomingMessage,
  response: ServerResponse,
  { stalledMs }: Patience,
  call: { asked: Asked; account: Account; route: ProviderRoute; watched: CallWatch; left: AbortSignal },
): Promise<void> {
  const { asked, account, route, watched, left } = call
  const reader = createUsageReader(route.name, asked.flavor, answer.headers['content-type'])
  const counting = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      reader.push(chunk)
      account.came(reader)
      if (asked.isStreamed && reader.isDone()) account.count(reader)
      done(null, chunk)
    },
    flush(done) {
      reader.end()
      account.count(reader)
      done()
    },
  })
  answer.setTimeout(stalledMs, () =>
    answer.destroy(new Refusal(504, 'provider_stalled', 'The provider fell silent.')),
  )
  let status: number | 'unreachable' = 'unreachable'
  // Whoever goes first takes the other one along.
  let hasLeft = false
  answer.once('error', () => {
    hasLeft = left.aborted
  })
  try {
    response.writeHead(answer.statusCode ?? 502, answeredHeaders(answer.headers))
    response.flushHeaders()
    await pipeline(answer, counting, response)
    status = answer.statusCode ?? 502
  } catch (error) {
    throw hasLeft ? new CallerLeft() : error
  } finally {
    account.count(reader)
    watched.end(status)
  }
}

/** What an assistant may hear of a provider's failure goes through; the rest is told in our words. */
function fail(
  response: ServerResponse,
  deps: CallDeps,
  { route, path, caller }: Target,
  { code, answer, body }: Extract<Upstream, { kind: 'failure' }>,
  watched: CallWatch,
): void {
  const status = answer.statusCode ?? 502
  const { assistantId, key } = caller
  watched.end(status)
  const isOurs = !key.isOwn && (code === 'key_invalid' || code === 'key_forbidden' || code === 'out_of_quota')
  deps.log[isOurs ? 'error' : 'warn'](
    { call: path, status, code, ownKey: key.isOwn },
    'a provider refused a call',
  )
  if (key.isOwn && code === 'key_invalid') {
    const keySha256 = createHash('sha256').update(key.value).digest('hex')
    deps.metering.keyRefused({ assistantId, provider: route.provider, keySha256 })
  }
  const told = key.isOwn || !isOurs ? code : 'platform_key_refused'
  const detail = isOurs ? 'The platform’s key does not work at the moment.' : failureDetail[code]
  // OpenClaw knows what to do about a request that is wrong; of the key, some providers quote it in their words.
  if (code !== 'request_refused' || body.includes(key.value)) throw new Refusal(422, told, detail)
  deps.metering.failed(assistantId, { code, detail })
  response.writeHead(status, { ...answeredHeaders(answer.headers), 'content-length': body.length })
  response.end(body)
}

function identify(
  request: IncomingMessage,
  query: URLSearchParams,
  route: ProviderRoute,
  keys: KeyRing,
  owner: string | undefined,
): Caller {
  const shown = shownKey(request.headers) ?? query.get('key')
  const caller = shown ? keys.resolve(shown, route.provider) : undefined
  // An agent that has just started holds no keys yet; OpenClaw tries again.
  if (!caller && !keys.isFilled()) throw new Refusal(503, 'starting', 'The host agent is starting.')
  if (!caller || (owner !== undefined && owner !== caller.assistantId)) {
    throw new Refusal(422, 'unknown_virtual_key', 'This key belongs to no assistant of this host.')
  }
  return caller
}

/** Compares the path as it was sent, undecoded: whatever is not exactly a known call goes nowhere. */
function findRoute(request: IncomingMessage, routes: Map<string, ProviderRoute>) {
  const [sent = '', ...rest] = (request.url ?? '').split('?')
  const [, name = '', below = ''] = /^\/([a-z]+)(\/.*)$/.exec(sent) ?? []
  const route = routes.get(name)
  if (!route) throw new Refusal(404, 'unknown_provider', 'No such provider.')
  const path = route.calls.exec(below)?.[1]
  if (path === undefined || request.method !== route.method) {
    throw new Refusal(404, 'unknown_call', 'Assistants may not make this call.')
  }
  return { route, path, query: new URLSearchParams(rest.join('?')) }
}
