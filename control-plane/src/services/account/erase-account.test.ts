import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { tablesMentioning } from '@yourclaw/db/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { inTransaction } from '../../context.ts'
import { MailError } from '../../mail/mailer.ts'
import type { Store } from '../../storage/store.ts'
import { openTestApp, type TestApp } from '../../testing/open-app.ts'
import { createAssistant } from '../assistant/create-assistant.ts'
import { addressHash } from '../conversation/rows.ts'
import { enqueueMail } from '../mail/enqueue-mail.ts'
import { setNewsConsent } from '../mail/set-news-consent.ts'
import { eraseAccount } from './erase-account.ts'
import { requestDeletion } from './request-deletion.ts'

let world: TestApp
let hostId: string
beforeAll(async () => {
  world = await openTestApp()
  const host = await world.deps.db.hostServer.create({ data: { name: 'host', maxContainers: 5 } })
  hostId = host.id
})
afterAll(() => world.close())

/** Somebody with a row in every table that can hold one of theirs, and with an assistant on a host. */
async function createPerson() {
  const { db, ctx, store, boss } = world.deps
  const { id: userId, email } = await world.signUp()
  const address = `90${Math.floor(Math.random() * 1e12)}`
  await db.user.update({ where: { id: userId }, data: { name: `Name of ${userId}` } })
  await db.userIdentity.create({ data: { issuer: 'https://id.test', subject: randomUUID(), userId } })
  await db.userPhone.create({ data: { userId, channel: 'TELEGRAM', address } })
  await db.bindCode.create({
    data: { codeHash: randomUUID(), userId, channel: 'WHATSAPP', expiresAt: new Date(Date.now() + 60_000) },
  })
  const to = { channel: 'TELEGRAM', address } as const
  await db.channelContact.create({ data: { addressHash: addressHash(to) } })
  await db.notice.createMany({
    data: [userId, addressHash(to)].map((scope) => ({ scope, kind: 'test', key: 'test' })),
  })
  const assistant = await db.assistant.update({
    where: { userId },
    data: { status: 'READY', desired: 'PRESENT', hostServerId: hostId, desiredGeneration: 1 },
  })
  const assistantId = assistant.id
  await db.changeLog.create({ data: { assistantId, generation: 1, kind: 'CREATE' } })
  await db.provisioningJob.create({ data: { userId, assistantId, generation: 1, kind: 'CREATE' } })
  const turn = await db.turn.create({ data: { assistantId } })
  const message = await db.message.create({
    data: {
      ...to,
      userId,
      direction: 'INBOUND',
      body: `Words of ${userId}`,
      seq: 1n,
      state: 'RECEIVED',
      turnId: turn.id,
    },
  })
  const attachment = await db.attachment.create({
    data: {
      userId,
      messageId: message.id,
      kind: 'DOCUMENT',
      mimeType: 'text/plain',
      state: 'STORED',
      keyEncrypted: 'sealed',
      expiresAt: new Date(Date.now() + 60_000),
    },
  })
  await db.reaction.create({ data: { userId, turnId: turn.id, target: 'test', text: 'liked it' } })
  await db.delivery.create({ data: { ...to, messageId: message.id, userId, part: 0, payload: {} } })
  await inTransaction(ctx, (tx) => ctx.outbox.enqueueMessage(tx, to, message.id))
  await db.usageDaily.create({ data: { userId, date: new Date() } })
  await db.usageEvent.create({
    data: {
      userId,
      reportKey: randomUUID(),
      provider: 'OPENAI',
      model: 'm',
      ownKey: false,
      calls: 1,
      inputTokens: 1n,
      outputTokens: 1n,
    },
  })
  await db.apiKey.create({ data: { userId, provider: 'OPENAI', encryptedKey: 'sealed' } })
  await db.subscription.create({ data: { userId, status: 'ACTIVE' } })
  const customer = await world.deps.billing.stripe.customers.create({ email })
  await db.billingAccount.create({ data: { userId, stripeCustomerId: customer.id } })
  await db.creditEntry.create({ data: { userId, amountMicros: 1n, reason: 'test', reference: 'test' } })
  await db.userIntegration.create({ data: { userId, service: 'calendar' } })
  await db.backup.create({ data: { userId, location: 'somewhere' } })
  const actor = `user:${userId}`
  await db.auditEvent.create({ data: { actor, action: 'test', subject: actor } })
  const made = await db.export.create({ data: { userId, keyEncrypted: 'sealed' } })
  const operation = await db.hostOperation.create({
    data: {
      kind: 'ARCHIVE',
      assistantId,
      hostServerId: hostId,
      deadlineAt: new Date(),
      keyEncrypted: 'sealed',
    },
  })
  const file = path.join(tmpdir(), userId)
  await writeFile(file, 'data')
  const files = [`exports/${made.id}`, `operations/${operation.id}`, `attachments/${attachment.id}`]
  for (const name of files) await store.put(name, file)
  await inTransaction(ctx, (tx) =>
    enqueueMail({
      tx,
      to: email,
      template: 'welcome',
      props: { name: 'Anna', timeZone: 'UTC' },
      key: `welcome:${userId}`,
    }),
  )
  await boss.send('deliveries-dead', { ...to, messageId: message.id })
  const needles = [userId, email, address, customer.id, assistantId, addressHash(to)]
  return { userId, email, assistantId, customerId: customer.id, files, needles, to }
}

const erase = (userId: string, store: Store = world.deps.store) =>
  eraseAccount({
    ctx: { ...world.deps.billing, ...world.deps.integrations },
    store,
    mailer: world.deps.mailer,
    input: { userId },
  })

/** What applyObserved writes when the host says that nothing is left. */
const confirm = (assistantId: string) =>
  world.deps.db.assistant.update({
    where: { id: assistantId },
    data: { status: 'NONE', desired: 'ABSENT', hostServerId: null },
  })

test('D1: whatever fails between two steps, a deletion ends with nothing of the person in any table or file', async () => {
  const { db, ctx, store } = world.deps
  const bystander = await createPerson()
  const anna = await createPerson()
  const { userId, email } = anna
  const there = await tablesMentioning(db, anna.needles)
  expect(there.length).toBeGreaterThan(20)

  // Nobody asked: nothing happens.
  expect(await erase(userId)).toBe('gone')
  expect(await db.user.count({ where: { id: userId } })).toBe(1)
  await requestDeletion({ ctx, input: { userId, email } })

  await world.sim('faults', { provider: 'stripe', status: 503 })
  await expect(erase(userId)).rejects.toMatchObject({ code: 'stripe_unavailable' })
  await world.sim('reset', {})
  expect(await erase(userId)).toBe('waiting')
  expect(await erase(userId)).toBe('waiting')
  expect(await db.assistant.findUnique({ where: { userId } })).toMatchObject({
    desired: 'ABSENT',
    status: 'READY',
  })
  expect(await db.changeLog.count({ where: { assistantId: anna.assistantId, kind: 'DELETE' } })).toBe(1)
  await confirm(anna.assistantId)
  const broken: Store = { ...store, delete: () => Promise.reject(new Error('the store is away')) }
  await expect(erase(userId, broken)).rejects.toThrow('the store is away')
  expect(await db.user.count({ where: { id: userId } })).toBe(1)
  // Two replicas at once.
  expect(await Promise.all([erase(userId), erase(userId)])).toEqual(['gone', 'gone'])
  expect(await erase(userId)).toBe('gone')

  // The one mail that is still to be sent knows whom it is for; then that is gone, too.
  expect(await tablesMentioning(db, anna.needles)).toEqual(['public.mails'])
  expect(await db.mail.findMany({ where: { recipients: { has: email } } })).toMatchObject([
    { template: 'account-deleted' },
  ])
  for (const file of anna.files) await expect(store.get(file)).rejects.toThrow()

  expect(await tablesMentioning(db, bystander.needles)).toEqual(there)
  for (const file of bystander.files) (await store.get(file)).destroy()
})

test('D1: the address of somebody who wrote STOP is remembered by its hash alone, so that nothing is ever sent', async () => {
  const { db, ctx } = world.deps
  const { userId, email, assistantId, to } = await createPerson()
  await db.channelContact.update({
    where: { addressHash: addressHash(to) },
    data: { optedOutAt: new Date() },
  })
  await requestDeletion({ ctx, input: { userId, email } })
  await confirm(assistantId)
  expect(await erase(userId)).toBe('gone')
  expect(await tablesMentioning(db, [to.address])).toEqual([])
  expect(await tablesMentioning(db, [addressHash(to)])).toEqual(['public.channel_contacts'])
})

test('D1: who was on the list for news is off it, however often the provider fails first', async () => {
  const { ctx, mailer } = world.deps
  const { id: userId, email } = await world.signUp()
  const listed = async () => {
    const contacts = await fetch(`${world.sandboxUrl}/sim/mail/contacts`)
    return ((await contacts.json()) as { email: string }[]).filter((one) => one.email === email)
  }
  await setNewsConsent({ ctx, mailer, input: { userId, consent: true } })
  await requestDeletion({ ctx, input: { userId, email } })
  await world.sim('faults', { provider: 'resend', status: 500, count: 1 })
  await expect(erase(userId)).rejects.toThrow(MailError)
  expect(await listed()).toHaveLength(1)
  expect(await erase(userId)).toBe('gone')
  expect(await listed()).toEqual([])
})

test('I8: who asked to be forgotten is entitled to nothing, whatever comes late', async () => {
  const { ctx, db, vault } = world.deps
  const { id: userId, email } = await world.signUp()
  await db.subscription.create({ data: { userId, status: 'ACTIVE' } })
  await requestDeletion({ ctx, input: { userId, email } })
  const late = createAssistant({ ctx, vault, input: { userId } })
  await expect(late).rejects.toMatchObject({ code: 'not_entitled' })
})
