import { firstMessage, withText } from '#lib/channels.ts'
import { ask, need, refuse } from '#lib/server/api/answer.ts'
import { offeredChats } from '#lib/server/chats.ts'
import { qrOf } from '#lib/server/qr.ts'
import type { Actions, PageServerLoad } from './$types'

export const load: PageServerLoad = async ({ locals, url, parent }) => {
  const [{ me }, assistant, chats] = await Promise.all([
    parent(),
    need(locals.api.GET('/api/v1/assistants'), url),
    offeredChats(locals.api),
  ])
  const bound = me.channels.filter(({ state }) => state === 'BOUND')
  return {
    assistant,
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
