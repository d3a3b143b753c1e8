import { randomBytes } from 'node:crypto'
import type { Transaction } from '@yourclaw/db'
import { type Ctx, inTransaction } from '../../context.ts'
import { assistantSuspended, ServiceError } from '../../errors.ts'
import type { Vault } from '../../lib/vault.ts'
import { defaultAt, onOffer } from '../model/catalogue.ts'
import { pinnedImage } from './image.ts'
import { lockAssistant } from './lock-assistant.ts'
import { recordChange } from './record-change.ts'
import { requireEntitlement } from './require-entitlement.ts'
import { requireOffered } from './require-offered.ts'
import { takeSlot } from './take-slot.ts'

export interface CreateAssistantInput {
  userId: string
  /** Absent = what the user chose before, else the default. */
  model?: string | undefined
}

/**
 * Wants the user's assistant to exist. Idempotent: an assistant on its way or ready stays as it is, a failed one is
 * tried again. Without a free slot it waits (job PENDING, step queued) for placeWaiting.
 * Errors: not_entitled (402), unknown_model (400), assistant_suspended (409),
 * assistant_being_deleted (409, retryable).
 */
export async function createAssistant({
  ctx,
  vault,
  input,
}: {
  ctx: Ctx
  vault: Vault
  input: CreateAssistantInput
}): Promise<void> {
  const secrets = await newSecrets(vault)
  await inTransaction(ctx, (tx) => createAssistantIn(tx, ctx, secrets, input))
}

/** The same, in a transaction of `inTransaction`. */
export async function createAssistantIn(
  tx: Transaction,
  ctx: Pick<Ctx, 'clock'>,
  secrets: Secrets,
  { userId, model }: CreateAssistantInput,
): Promise<void> {
  const nowMs = ctx.clock.now()
  if (model) requireOffered(model, nowMs)
  await requireEntitlement(tx, userId, new Date(nowMs))
  await tx.assistant.createMany({
    data: [{ userId, model: model ?? defaultAt(nowMs) }],
    skipDuplicates: true,
  })
  const assistant = await lockAssistant(tx, userId)
  if (assistant.status !== 'NONE' && assistant.desired === 'ABSENT') {
    throw new ServiceError(409, 'assistant_being_deleted', 'The assistant is still being deleted.', {
      retryable: true,
    })
  }
  if (assistant.suspendedAt) throw assistantSuspended()
  if (assistant.status === 'PROVISIONING' || assistant.status === 'READY') return
  const change = { status: 'PROVISIONING', lastErrorCode: null, lastErrorDetail: null } as const
  if (assistant.status === 'ERROR') {
    await recordChange(tx, assistant, 'RETRY', change)
    return
  }
  const hostServerId = await takeSlot(tx, new Date(nowMs))
  await recordChange(tx, assistant, 'CREATE', {
    ...change,
    ...secrets,
    desired: 'PRESENT',
    hostServerId,
    model: model ?? onOffer(assistant.model, nowMs),
    image: await pinnedImage(tx),
    containerId: null,
    readyAt: null,
  })
}

interface Secrets {
  gatewayTokenEncrypted: string
  virtualKeyEncrypted: string
}

/** What a new assistant is opened with, sealed. */
export async function newSecrets(vault: Vault): Promise<Secrets> {
  return {
    gatewayTokenEncrypted: await vault.seal(newSecret()),
    virtualKeyEncrypted: await vault.seal(`yc-${newSecret()}`),
  }
}

const newSecret = () => randomBytes(32).toString('base64url')
