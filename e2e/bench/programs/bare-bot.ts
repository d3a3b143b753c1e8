import { createServer } from 'node:http'
import { Bot, webhookCallback } from 'grammy'
import { z } from 'zod'

// What one would write without us: a grammY bot on a webhook that asks the gateway and replies. It keeps nothing, so
// a crash loses what it works on. POST / is grammY's own webhook, which answers Telegram when the reply is sent;
// POST /early answers first.

const { PORT, TELEGRAM_API_ROOT, GATEWAY_URL = '', TELEGRAM_WEBHOOK_SECRET = '' } = process.env
const answerSchema = z.object({
  choices: z.tuple([z.object({ message: z.object({ content: z.string() }) })]),
})

const bot = new Bot('2000:bare', {
  client: { apiRoot: TELEGRAM_API_ROOT ?? '' },
  // Known, so that it need not be asked for.
  botInfo: {
    id: 2000,
    is_bot: true,
    first_name: 'Bare',
    username: 'bare_bot',
    can_join_groups: false,
    can_read_all_group_messages: false,
    can_manage_bots: false,
    supports_guest_queries: false,
    supports_inline_queries: false,
    supports_join_request_queries: false,
    can_connect_to_business: false,
    has_main_web_app: false,
    has_topics_enabled: false,
    allows_users_to_create_topics: false,
  },
})
bot.on('message:text', async (context) => {
  const response = await fetch(`${GATEWAY_URL}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'openclaw', messages: [{ role: 'user', content: context.message.text }] }),
  })
  const { choices } = answerSchema.parse(await response.json())
  await context.reply(choices[0].message.content)
})

const answerLast = webhookCallback(bot, 'http', { secretToken: TELEGRAM_WEBHOOK_SECRET })
const answerFirst = webhookCallback(bot, 'http', {
  secretToken: TELEGRAM_WEBHOOK_SECRET,
  onTimeout: 'return',
  timeoutMilliseconds: 0,
})
const server = createServer((request, response) => {
  if (request.method !== 'POST') response.end()
  else if (request.url === '/early') answerFirst(request, response)
  else answerLast(request, response)
})
server.listen(Number(PORT), '127.0.0.1')
process.once('SIGTERM', () => process.exit(0))
