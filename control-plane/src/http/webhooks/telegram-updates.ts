import { z } from 'zod'

/*
 * What Telegram sends, as far as we read it (https://core.telegram.org/bots/api#update). A field that we do not know is
 * kept for whoever comes to know it; an update of no known kind is none of ours.
 */
const chat = z.object({ id: z.number().int(), type: z.string() })
const user = z.object({
  id: z.number().int().optional(),
  username: z.string().optional(),
  is_bot: z.boolean().optional(),
})

const message = z.looseObject({
  message_id: z.number().int().optional(),
  chat,
  from: user.optional(),
  text: z.string().optional(),
  caption: z.string().optional(),
})
export type TelegramMessage = z.infer<typeof message>

const callbackQuery = z.object({
  id: z.string().min(1).max(200),
  from: user,
  /** Absent below messages that were not sent by the bot itself. */
  message: z.object({ chat, message_id: z.number().int() }).optional(),
  data: z.string().max(200).optional(),
})
export type TelegramPress = z.infer<typeof callbackQuery>

const reaction = z.object({
  chat,
  message_id: z.number().int(),
  user: user.optional(),
  /** Custom and paid ones have no emoji. An empty list takes the reaction back. */
  new_reaction: z.array(z.looseObject({ type: z.string(), emoji: z.string().optional() })).max(20),
})
export type TelegramReaction = z.infer<typeof reaction>

const stopped = z.object({ chat, draft_id: z.number().int() })

export const updateSchema = z.object({
  update_id: z.number().int(),
  message: message.optional(),
  edited_message: message.optional(),
  callback_query: callbackQuery.optional(),
  message_reaction: reaction.optional(),
  /** Somebody pressed the button below a preview. */
  stopped_message_generation: stopped.optional(),
})

/** Groups neither bind nor drive an assistant (I3), and nor do bots. */
export const isPersonal = ({
  chat,
  from,
}: Pick<TelegramMessage, 'chat'> & Partial<Pick<TelegramMessage, 'from'>>) =>
  chat.type === 'private' && from?.is_bot !== true
