import type { Prisma, Transaction } from '@yourclaw/db'
import type { ConversationCtx } from '../conversation/ctx.ts'
import type { ReceiveInput } from '../conversation/receive-message.ts'
import type { AssistantRow } from '../conversation/rows.ts'
import { takeAside } from '../conversation/take-aside.ts'
import { texts } from '../conversation/texts.ts'
import { answerIn } from './answer.ts'
import { hasRoomForWords } from './has-room-for-words.ts'
import { forGood, optionsOf } from './options.ts'

const number = /^\s*([1-9]\d?)[.)]?\s*$/
const always = /^\s*always[.!]?\s*$/i
/** What an assistant says may ask for a number itself. */
const mayAsk = /[?？؟\u037e]|\p{N}/u

type Found =
  | { question: { id: string; options: { id: string }[] } }
  /** There are several that it may be about. */
  | 'unclear'

/**
 * Where there are no buttons, takes a message that is nothing but a number as the answer to the one question that is
 * open there, unless the conversation went on since in a way that a number could be about: then the number is a word
 * like any other, and this is false. What would hold for good is taken from its word alone.
 */
export async function answerByNumber({ ctx, input }: { ctx: ConversationCtx; input: ReceiveInput }) {
  if (input.channel !== 'WHATSAPP') return false
  const place = number.exec(input.body)?.[1]
  const isAlways = always.test(input.body)
  if (place === undefined && !isAlways) return false
  let found: Found | undefined
  return takeAside(ctx, input, {
    code: 'answer',
    async isMeant(tx, owner) {
      found = await findMeant(tx, ctx, owner, input)
      if (!isAlways || found === undefined) return found !== undefined
      return found === 'unclear' || found.question.options.some(({ id }) => id === forGood)
    },
    async work(tx) {
      if (found === undefined || found === 'unclear') return texts.whichQuestion(ctx.settings.webUrl)
      const { id: questionId, options } = found.question
      const index = Number(place) - 1
      if (!isAlways && options[index]?.id === forGood) return texts.forGoodByWord
      const from = { channel: input.channel, address: input.address }
      const choice = isAlways ? { id: forGood } : index
      const { outcome, text } = await answerIn(tx, ctx, { questionId, choice, from })
      if (outcome === 'no_such_option') return texts.noSuchOption(options.length)
      return outcome === 'answered' ? undefined : text
    },
    maySay: (tx, { userId }) => hasRoomForWords(tx, ctx, userId),
  })
}

async function findMeant(
  tx: Transaction,
  ctx: ConversationCtx,
  { userId }: AssistantRow,
  { channel, address }: ReceiveInput,
): Promise<Found | undefined> {
  const now = new Date(ctx.clock.now())
  // What never reached the person cannot be what they answer; they may be faster than the provider's word on it.
  const seen: Prisma.DeliveryWhereInput = {
    OR: [
      { state: { in: ['SENT', 'DELIVERED', 'READ'] } },
      { state: 'PENDING', sentAt: { not: null }, lastErrorCode: null, heldAt: null },
    ],
  }
  const asked = await tx.question.findMany({
    where: { userId, channel, address, message: { deliveries: { some: {}, every: seen } } },
    orderBy: { message: { seq: 'desc' } },
    select: {
      id: true,
      answeredAt: true,
      expiresAt: true,
      options: true,
      message: { select: { seq: true } },
    },
    take: 20,
  })
  const [newest] = asked
  const open = asked.filter(({ answeredAt, expiresAt }) => answeredAt === null && expiresAt > now)
  const [question] = open
  if (!newest || !question) return undefined
  const since = await tx.message.findMany({
    where: { userId, kind: 'CHAT', seq: { gt: newest.message.seq } },
    select: { direction: true, body: true },
    take: 20,
  })
  if (since.some(({ direction, body }) => direction === 'INBOUND' || mayAsk.test(body))) return undefined
  // Said once more after the newest was answered, it is not about an older one.
  if (open.length > 1 || question !== newest) return 'unclear'
  return { question: { id: question.id, options: optionsOf(question) } }
}
