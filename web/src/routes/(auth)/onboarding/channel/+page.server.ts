import { offeredChats } from '#lib/server/chats.ts'
import { readConnecting, startConnecting } from '#lib/server/connecting.ts'
import type { Actions, PageServerLoad } from './$types'

export const load: PageServerLoad = async ({ locals, cookies, parent }) => {
  const { me } = await parent()
  const chats = await offeredChats(locals.api)
  return {
    offered: chats.map(({ channel }) => channel),
    bound: me.channels.filter(({ state }) => state === 'BOUND'),
    connecting: readConnecting(cookies),
  }
}

export const actions: Actions = { default: startConnecting }
