import type { Channel, UserPhone } from '@yourclaw/db'
import { parsePhoneNumberFromString } from 'libphonenumber-js'
import type { Ctx } from '../../context.ts'
import { notFound } from '../../errors.ts'
import { optedOutAt } from '../channel/contact.ts'
import { quietHoursOf } from './quiet-hours.ts'

/** What a person sees of themselves: profile, channels, subscription, credits (the shape of GET /users/me). */
export async function readProfile({ ctx, input }: { ctx: Ctx; input: { userId: string } }) {
  const user = await ctx.db.user.findUnique({
    where: { id: input.userId },
    include: {
      _count: { select: { integrations: true } },
      phones: { where: { unboundAt: null }, orderBy: { boundAt: 'asc' } },
      bindCodes: { where: { usedAt: null, expiresAt: { gt: new Date(ctx.clock.now()) } } },
      // The live one first: ACTIVE, PAST_DUE, CANCELED.
      subscriptions: { orderBy: [{ status: 'asc' }, { createdAt: 'desc' }], take: 1 },
      lapse: true,
    },
  })
  if (user === null) throw notFound('There is no such user.', 'user_not_found')
  const credit = await ctx.db.creditEntry.aggregate({
    where: { userId: user.id },
    _sum: { amountMicros: true },
  })
  const bound = await Promise.all(user.phones.map((phone) => viewChat(ctx, phone)))
  const isBound = (channel: Channel) => bound.some((one) => one.channel === channel)
  // A user has one open code a channel: startBinding ends the older ones.
  const pending = user.bindCodes
    .filter(({ channel }) => !isBound(channel))
    .map(({ channel, refusedAt }) => ({
      channel,
      state: 'PENDING' as const,
      ...(refusedAt === null ? {} : { refusal: 'address_taken' as const }),
    }))
  const [subscription] = user.subscriptions
  return {
    id: user.id,
    email: user.email,
    name: user.name,
    timeZone: user.timeZone,
    proactive: user.proactive,
    proactiveChannel: user.proactiveChannel,
    quietHours: quietHoursOf(user),
    fallbackModel: user.fallbackModel,
    news: user.newsConsentAt !== null,
    channels: [...bound, ...pending],
    subscription:
      subscription === undefined
        ? null
        : {
            status: subscription.status,
            ...(subscription.trialEnd === null ? {} : { trialEnd: subscription.trialEnd.toISOString() }),
            ...(subscription.currentPeriodEnd === null
              ? {}
              : { currentPeriodEnd: subscription.currentPeriodEnd.toISOString() }),
            cancelAtPeriodEnd: subscription.cancelAtPeriodEnd,
            ...(subscription.graceEnd === null ? {} : { graceEnd: subscription.graceEnd.toISOString() }),
            ...(user.lapse === null ? {} : { deleteAfter: user.lapse.deleteAfter.toISOString() }),
          },
    credits: { remainingMicros: Number(credit._sum.amountMicros ?? 0n) },
    features: { google: ctx.settings.googleIntegrations || user._count.integrations > 0 },
  }
}

async function viewChat(ctx: Ctx, phone: UserPhone) {
  const { channel, address, telegramUsername, phoneE164, boundAt } = phone
  const leftAt = await optedOutAt(ctx.db, phone)
  return {
    channel,
    state: 'BOUND' as const,
    address,
    ...(telegramUsername !== null && { username: telegramUsername }),
    ...(phoneE164 !== null && { phone: grouped(phoneE164) }),
    ...(leftAt !== null && { optedOutAt: leftAt.toISOString() }),
    boundAt: boundAt.toISOString(),
  }
}

/** +1 555 010 0123, as its own country writes it. */
const grouped = (phone: string) => parsePhoneNumberFromString(phone)?.formatInternational() ?? phone
