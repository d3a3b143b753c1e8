import type { ContentStore } from '../../channels/sender.ts'
import type { Ctx } from '../../context.ts'

/** Contents of one account at Twilio, in `whatsapp_contents`: the first replica to ask for one makes it. */
export function createContentStore(ctx: Pick<Ctx, 'db' | 'clock'>, accountSid: string): ContentStore {
  const { db, clock } = ctx
  const at = (inMs: number) => new Date(clock.now() + inMs)
  return {
    async take(name, leaseMs) {
      const taken = await db.$executeRaw`
        INSERT INTO whatsapp_contents (account_sid, name, not_before)
        VALUES (${accountSid}, ${name}, ${at(leaseMs)})
        ON CONFLICT (account_sid, name) DO UPDATE SET not_before = excluded.not_before
        WHERE whatsapp_contents.sid IS NULL AND whatsapp_contents.not_before <= ${at(0)}`
      if (taken === 1) return 'ours'
      const where = { accountSid_name: { accountSid, name } }
      const known = await db.whatsappContent.findUnique({ where, select: { sid: true } })
      return known?.sid == null ? null : { sid: known.sid }
    },
    async keep(name, sid) {
      await db.whatsappContent.updateMany({ where: { accountSid, name }, data: { sid } })
    },
    async putOff(name, forMs) {
      const where = { accountSid, name, sid: null }
      await db.whatsappContent.updateMany({ where, data: { notBefore: at(forMs) } })
    },
    async forget(name, sid) {
      const where = { accountSid, name, sid }
      await db.whatsappContent.updateMany({ where, data: { sid: null, notBefore: at(0) } })
    },
  }
}
