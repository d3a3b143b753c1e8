import type { Transaction } from '@yourclaw/db'
import { type Ctx, inTransaction } from '../../context.ts'
import { conflict, forbidden } from '../../errors.ts'
import { mailPerson } from '../mail/mail-person.ts'
import { defaultAt } from '../model/catalogue.ts'
import { accountBeingDeleted } from './account-being-deleted.ts'
import { ensureUser } from './ensure-user.ts'

/** Whom an identity provider says somebody is. */
export interface Identity {
  issuer: string
  subject: string
  /** Verified, in lower case; undefined when it is not. */
  email: string | undefined
  name?: string
}

/**
 * The user behind an identity that was verified elsewhere. On first sight it is linked to the user with this address,
 * which must be verified too, or to a new one; from then on it stays theirs, whatever address it names.
 * Throws email_not_verified, email_in_use and account_being_deleted.
 */
export async function identifyUser({
  ctx,
  input,
}: {
  ctx: Ctx
  input: Identity
}): Promise<{ id: string; isNew: boolean }> {
  const { issuer, subject, email } = input
  const known = await findByIdentity(ctx.db, input)
  if (known !== null) return { id: known, isNew: false }
  if (email === undefined) throw forbidden('Confirm your email address first.', 'email_not_verified')
  return inTransaction(ctx, async (tx) => {
    // One page sends several first requests at once: the second waits and finds what the first made.
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${email}, 0))`
    const linked = await findByIdentity(tx, input)
    if (linked !== null) return { id: linked, isNew: false }
    const isNew = (await tx.user.count({ where: { email } })) === 0
    const model = defaultAt(ctx.clock.now())
    const user = await ensureUser(tx, { email, name: input.name ?? '', model })
    if (user.deletionRequestedAt !== null) throw accountBeingDeleted()
    await requireFirstOf(tx, user.id, issuer)
    await tx.userIdentity.create({ data: { issuer, subject, userId: user.id } })
    const actor = `user:${user.id}`
    const action = isNew ? 'account.created' : 'account.linked'
    await tx.auditEvent.create({ data: { actor, action, subject: actor, data: { issuer } } })
    if (isNew) await mailPerson({ tx, userId: user.id, template: 'welcome', key: `welcome:${user.id}` })
    return { id: user.id, isNew }
  })
}

async function findByIdentity(db: Pick<Transaction, 'userIdentity'>, { issuer, subject }: Identity) {
  const found = await db.userIdentity.findUnique({
    where: { issuer_subject: { issuer, subject } },
    select: { userId: true, user: { select: { deletionRequestedAt: true } } },
  })
  if (found === null) return null
  if (found.user.deletionRequestedAt !== null) throw accountBeingDeleted()
  return found.userId
}

/** A second subject of one issuer with the same address is somebody who was given a used address (I2). */
async function requireFirstOf(tx: Transaction, userId: string, issuer: string): Promise<void> {
  if ((await tx.userIdentity.count({ where: { userId, issuer } })) === 0) return
  throw conflict('This email address belongs to an account of somebody else.', 'email_in_use')
}
