import { firstMessage, withText } from '#lib/channels.ts'
import { ask, need, refuse } from '#lib/server/api/answer.ts'
import { offeredChats } from '#lib/server/chats.ts'
import { qrOf } from '#lib/server/qr.ts'
import type { Actions, PageServerLoad } from './$types'
import { firstWords } from './first-words.ts'

/** More than enough for what a new conversation holds. */
const newest = 20

export const load: PageServerLoad = async ({ locals, url, parent, depends }) => {
  depends('yc:first-words')
  const [{ me }, assistant, chats, { messages }] = await Promise.all([
    parent(),
    need(locals.api.GET('/api/v1/assistants'), url),
    offeredChats(locals.api),
    need(locals.api.GET('/api/v1/messages', { params: { query: { limit: newest } } }), url),
  ])
  const bound = me.channels.filter(({ state }) => state === 'BOUND')
  return {
    assistant,
    words: firstWords(messages, assistant.createdAt),
    // Never what the browser came back with: the subscription is there when the payment provider told us.
    isPaid: me.subscription !== null && me.subscription.status !== 'CANCELED',
    chats: chats
      .filter(({ channel }) => bound.some((one) => one.channel === channel))
      .map(({ channel, url }) => ({
        channel,
        url: withText(url, firstMessage),
        qr: qrOf(withText(url, firstMessage)),
      })),
  }
}

export const actions: Actions = {
  /** Also what creates it, when somebody has a subscription and no assistant. */
  retry: async ({ locals, url }) => {
    const answer = await ask(locals.api.POST('/api/v1/assistants', { body: {} }))
    return answer.ok ? { done: true } : refuse(answer.problem, url)
  },
}
