import { z } from 'zod'
import { flag, json, type Method, read, self } from './call.ts'
import { badRequest } from './errors.ts'
import { mediaMethods } from './media.ts'
import { messageMethods } from './messages.ts'

const setWebhookInput = z.object({
  url: z.string().default(''),
  secret_token: z.string().optional(),
  allowed_updates: json(z.array(z.string()).default([])),
  drop_pending_updates: flag,
})
const fileInput = z.object({ file_id: z.string() })
const command = z.object({ command: z.string(), description: z.string() })
const commandsInput = z.object({ commands: json(z.array(command)) })
const dropInput = z.object({ drop_pending_updates: flag })

/** A bot may download so much (https://core.telegram.org/bots/api#getfile). */
const largestDownloadBytes = 20 * 1024 * 1024

/** By lower-case name: Telegram ignores case in method names. */
export const methods: Record<string, Method> = {
  ...messageMethods,
  ...mediaMethods,

  getme: ({ bot, token }) => ({
    ...self(bot, token),
    can_join_groups: true,
    can_read_all_group_messages: false,
    supports_inline_queries: false,
    can_connect_to_business: false,
    has_main_web_app: false,
  }),

  setwebhook: ({ bot, request }) => {
    const input = read(setWebhookInput, request.body)
    if (input.secret_token !== undefined && !/^[\w-]{1,256}$/.test(input.secret_token)) {
      throw badRequest('secret token contains unallowed characters')
    }
    // Telegram takes https only; here everything is on one machine, so http is good too.
    if (input.url !== '' && !/^https?:/.test(URL.parse(input.url)?.protocol ?? '')) {
      throw badRequest('bad webhook: invalid webhook URL specified')
    }
    const settings = {
      url: input.url,
      secretToken: input.secret_token,
      allowedUpdates: input.allowed_updates,
    }
    bot.webhook.set(input.url === '' ? undefined : settings, input.drop_pending_updates)
    return true
  },

  getwebhookinfo: ({ bot }) => bot.webhook.info(),

  deletewebhook: ({ bot, request }) => {
    bot.webhook.set(undefined, read(dropInput, request.body).drop_pending_updates)
    return true
  },

  getfile: ({ bot, request }) => {
    const { info } = bot.files.get(read(fileInput, request.body).file_id)
    if ((info.file_size ?? 0) > largestDownloadBytes) throw badRequest('file is too big')
    return info
  },

  setmycommands: ({ bot, request }) => {
    bot.commands = read(commandsInput, request.body).commands
    return true
  },

  getmycommands: ({ bot }) => bot.commands,
}
