import { z } from 'zod'
import { type Account, apiVersion } from '../account.ts'
import { listPage, page } from '../api/list.ts'
import { bool, given, merged, metadata, type Route, route, text, url } from '../api/route.ts'
import { newId, randomText } from '../ids.ts'

const input = {
  url: url.optional(),
  enabled_events: z.array(text).min(1).optional(),
  description: text.optional(),
  metadata: metadata.optional(),
}

export function createEndpoint(account: Account, given: { url: string; events: string[]; secret?: string }) {
  return account.objects.add<'webhook_endpoint'>({
    id: newId('we'),
    object: 'webhook_endpoint',
    api_version: apiVersion,
    application: null,
    created: account.nowS(),
    description: null,
    enabled_events: given.events,
    livemode: false,
    metadata: {},
    secret: given.secret ?? `whsec_${randomText(32)}`,
    status: 'enabled',
    url: given.url,
  })
}

/** As it is shown after its creation: the secret was told once. */
const withoutSecret = <T extends object>(endpoint: T): T => ({ ...endpoint, secret: undefined })

/** Webhook endpoints and events (https://docs.stripe.com/api/webhook_endpoints). */
export const webhookRoutes: Route[] = [
  route(
    'post',
    '/webhook_endpoints',
    { ...input, url, enabled_events: z.array(text).min(1), api_version: z.literal(apiVersion).optional() },
    ({ account, input }) => {
      const endpoint = createEndpoint(account, { url: input.url, events: input.enabled_events })
      const { description } = input
      return Object.assign(endpoint, given({ description }), { metadata: merged({}, input.metadata) })
    },
  ),
  route('get', '/webhook_endpoints', page, ({ account, input }) => {
    const list = listPage(account.objects, 'webhook_endpoint', '/v1/webhook_endpoints', input)
    return { ...list, data: list.data.map(withoutSecret) }
  }),
  route('get', '/webhook_endpoints/:id', {}, ({ account, id }) =>
    withoutSecret(account.objects.get('webhook_endpoint', id)),
  ),
  route(
    'post',
    '/webhook_endpoints/:id',
    { ...input, disabled: bool.optional() },
    ({ account, id, input }) => {
      const endpoint = account.objects.get('webhook_endpoint', id)
      const { url, enabled_events, description } = input
      const status = input.disabled === undefined ? undefined : input.disabled ? 'disabled' : 'enabled'
      const changes = given({ url, enabled_events, description, status })
      return withoutSecret(
        Object.assign(endpoint, changes, { metadata: merged(endpoint.metadata, input.metadata) }),
      )
    },
  ),
  route('delete', '/webhook_endpoints/:id', {}, ({ account, id }) => {
    account.objects.delete(account.objects.get('webhook_endpoint', id))
    return { id, object: 'webhook_endpoint', deleted: true }
  }),
  route(
    'get',
    '/events',
    { ...page, type: text.optional(), types: z.array(text).optional() },
    ({ account, input }) =>
      listPage(
        account.objects,
        'event',
        '/v1/events',
        input,
        ({ type }) => matches(type, input.type) && (input.types === undefined || input.types.includes(type)),
      ),
  ),
  route('get', '/events/:id', {}, ({ account, id }) => account.objects.get('event', id)),
]

/** `customer.subscription.*` means all of them. */
const matches = (type: string, wanted: string | undefined) =>
  wanted === undefined || type === wanted || (wanted.endsWith('.*') && type.startsWith(wanted.slice(0, -1)))
