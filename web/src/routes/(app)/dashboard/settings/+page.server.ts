import * as z from 'zod/mini'
import { listed } from '#lib/models.ts'
import { ask, refuse } from '#lib/server/api/answer.ts'
import { offeredChats } from '#lib/server/chats.ts'
import { offeredModels } from '#lib/server/models.ts'
import type { Actions, PageServerLoad } from './$types'

const channels = z.enum(['TELEGRAM', 'WHATSAPP', 'WEB'])
/** Both times or none of them. */
const quietHours = z.union([
  z.object({ from: z.literal(''), until: z.literal('') }),
  z.object({ from: z.string().check(z.minLength(1)), until: z.string().check(z.minLength(1)) }),
])

export const load: PageServerLoad = async ({ locals, parent }) => {
  const [{ me }, models, chats] = await Promise.all([
    parent(),
    offeredModels(locals.api),
    offeredChats(locals.api),
  ])
  return {
    models: models.map(listed),
    chats: chats.map(({ channel }) => ({
      channel,
      isBound: me.channels.some((one) => one.channel === channel && one.state === 'BOUND'),
    })),
  }
}

export const actions: Actions = {
  speaking: async ({ request, locals, url }) => {
    const form = await request.formData()
    const said = (name: string) => String(form.get(name) ?? '').trim()
    const values = {
      proactive: said('proactive'),
      proactiveChannel: said('proactiveChannel'),
      from: said('from'),
      until: said('until'),
    }
    const hours = quietHours.safeParse({ from: values.from, until: values.until })
    if (!hours.success) {
      const detail = 'Give both times, or leave both empty.'
      return refuse({ status: 400, code: 'invalid_quiet_hours', detail }, url, values)
    }
    const channel = channels.safeParse(values.proactiveChannel)
    const answer = await ask(
      locals.api.PATCH('/api/v1/users/me', {
        body: {
          proactive: values.proactive === 'on',
          proactiveChannel: channel.success ? channel.data : null,
          quietHours: hours.data.from === '' ? null : hours.data,
        },
      }),
    )
    return answer.ok ? { said: 'Saved. It holds from now on.' } : refuse(answer.problem, url, values)
  },
  fallback: async ({ request, locals, url }) => {
    const fallbackModel = String((await request.formData()).get('fallbackModel') ?? '')
    const body = { fallbackModel: fallbackModel === '' ? null : fallbackModel }
    const answer = await ask(locals.api.PATCH('/api/v1/users/me', { body }))
    if (!answer.ok) return refuse(answer.problem, url, { fallbackModel })
    return {
      said: body.fallbackModel === null ? 'No other model steps in now.' : 'Saved. It steps in from now on.',
    }
  },
}
