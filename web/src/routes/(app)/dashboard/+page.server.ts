import { firstMessage, withText } from '#lib/channels.ts'
import { ask, need, refuse } from '#lib/server/api/answer.ts'
import { offeredChats } from '#lib/server/chats.ts'
import { forgetConnecting, readConnecting, startConnecting } from '#lib/server/connecting.ts'
import { offeredModels } from '#lib/server/models.ts'
import { qrOf } from '#lib/server/qr.ts'
import type { Actions, PageServerLoad } from './$types'

export const load: PageServerLoad = async ({ locals, url, cookies, parent }) => {
  const { api } = locals
  const [{ me }, assistant, models, chats, keys] = await Promise.all([
    parent(),
    need(api.GET('/api/v1/assistants'), url),
    offeredModels(api),
    offeredChats(api),
    ask(api.GET('/api/v1/api-keys')),
  ])
  return {
    assistant,
    models,
    ownKeys: keys.ok ? keys.data.keys.map(({ provider }) => provider) : [],
    chats: chats.map(({ channel, url }) => {
      const link = withText(url, firstMessage)
      const known = me.channels.find((one) => one.channel === channel)
      return { channel, link, qr: qrOf(link), known }
    }),
    connecting: readConnecting(cookies),
  }
}

export const actions: Actions = {
  connect: startConnecting,
  disconnect: async ({ request, locals, url, cookies }) => {
    const channel = (await request.formData()).get('channel')
    if (channel !== 'TELEGRAM' && channel !== 'WHATSAPP')
      return refuse({ status: 400, code: 'invalid_input', detail: 'There is no such chat.' }, url)
    forgetConnecting(cookies)
    const answer = await ask(
      locals.api.DELETE('/api/v1/users/me/channel/{channel}', { params: { path: { channel } } }),
    )
    return answer.ok ? { said: 'The chat is disconnected.' } : refuse(answer.problem, url)
  },
  model: async ({ request, locals, url }) => {
    const model = String((await request.formData()).get('model') ?? '')
    const answer = await ask(locals.api.PATCH('/api/v1/assistants', { body: { model } }))
    return answer.ok
      ? { said: 'The model is changed; the conversation goes on.' }
      : refuse(answer.problem, url)
  },
  restart: async ({ locals, url }) => {
    const answer = await ask(locals.api.POST('/api/v1/assistants/restart'))
    return answer.ok ? { said: 'It restarts. Messages wait meanwhile.' } : refuse(answer.problem, url)
  },
  create: async ({ locals, url }) => {
    const answer = await ask(locals.api.POST('/api/v1/assistants', { body: {} }))
    return answer.ok ? { said: 'It is on its way.' } : refuse(answer.problem, url)
  },
  delete: async ({ locals, url }) => {
    const answer = await ask(locals.api.DELETE('/api/v1/assistants'))
    return answer.ok ? { said: 'It is being deleted.' } : refuse(answer.problem, url)
  },
}
