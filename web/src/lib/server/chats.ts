import { ask } from './api/answer.ts'
import type { Api } from './api/client.ts'

/** Where one writes. All of the messengers that are on; none when nobody answers. */
export async function offeredChats(api: Api) {
  const answer = await ask(api.GET('/api/v1/channels'))
  return answer.ok ? answer.data.channels : []
}
