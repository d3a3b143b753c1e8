import type { Assistant, Transaction } from '@yourclaw/db'
import type { Observed } from '@yourclaw/proto/host/v1'
import { z } from 'zod'
import { type Ctx, inTransaction, nudge } from '../../context.ts'
import { sanitize } from '../conversation/sanitize.ts'
import { requireEpoch } from '../host/host-session.ts'
import { enqueueMail } from '../mail/enqueue-mail.ts'
import { mailPerson } from '../mail/mail-person.ts'
import { judgeReport, nextAttempt, type Verdict } from './judge-report.ts'
import { noAssistant } from './no-assistant.ts'
import { nudgeAbout } from './record-change.ts'
import { releaseSlot } from './take-slot.ts'

const open = { in: ['PENDING', 'RUNNING'] as ('PENDING' | 'RUNNING')[] }

/** Called in the transaction of the first READY, so that the ready message is stored exactly once. */
export type OnFirstReady = (
  tx: Transaction,
  assistant: { userId: string; assistantId: string },
) => Promise<void>

export interface ApplyObservedInput {
  hostId: string
  sessionEpoch: bigint
  observed: Observed
}

/**
 * Applies a host's report about one assistant. Answers false, and changes nothing, for a report about an older
 * generation or an assistant that is not on that host. Throws stale_epoch for a superseded session.
 */
export function applyObserved({
  ctx,
  onFirstReady,
  input,
}: {
  ctx: Ctx
  onFirstReady: OnFirstReady
  input: ApplyObservedInput
}): Promise<boolean> {
  const { hostId } = input
  const observed = storable(input.observed)
  if (!uuid.safeParse(observed.assistantId).success) return Promise.resolve(false)
  return inTransaction(ctx, async (tx) => {
    await requireEpoch(tx, hostId, input.sessionEpoch)
    await tx.$queryRaw`SELECT 1 FROM assistants WHERE id = ${observed.assistantId}::uuid FOR NO KEY UPDATE`
    const assistant = await tx.assistant.findFirst({
      where: { id: observed.assistantId, hostServerId: hostId },
    })
    if (!assistant) return false
    const verdict = judgeReport(assistant, observed)
    if (verdict === 'refused') return false
    await carryOut(verdict, { tx, ctx, assistant, observed, onFirstReady })
    nudge(tx, 'assistant', assistant.userId)
    return true
  })
}

const uuid = z.guid()
const maxTextLength = 500

/** A host's words end in columns and on people's screens: what cannot be stored or read there is left out. */
function storable({ step, containerId, cause, ...rest }: Observed): Observed {
  const clean = (text: string) => sanitize(text).slice(0, maxTextLength).toWellFormed()
  return {
    ...rest,
    step: clean(step),
    containerId: clean(containerId),
    cause: cause && { code: clean(cause.code), detail: clean(cause.detail) },
  }
}

async function carryOut(
  verdict: Exclude<Verdict, 'refused'>,
  report: { tx: Transaction; ctx: Ctx; assistant: Assistant; observed: Observed; onFirstReady: OnFirstReady },
): Promise<void> {
  const { tx, ctx, assistant, observed } = report
  switch (verdict) {
    case 'starting':
      await tx.provisioningJob.updateMany({
        where: { assistantId: assistant.id, generation: observed.generation, status: open },
        data: {
          status: 'RUNNING',
          step: observed.step || (assistant.desired === 'ABSENT' ? 'deleting' : 'starting'),
        },
      })
      return
    case 'ready':
      await settle(tx, assistant, observed, 'ready', undoneBy(observed))
      await tx.assistant.update({
        where: { id: assistant.id },
        data: {
          status: 'READY',
          lastErrorCode: observed.cause?.code || null,
          lastErrorDetail: observed.cause?.detail ?? null,
          ...(assistant.readyAt === null && { readyAt: new Date(ctx.clock.now()) }),
        },
      })
      // What waited for it can run now (M5).
      if (assistant.hostServerId) nudge(tx, 'turns', assistant.hostServerId)
      if (assistant.readyAt === null) {
        await report.onFirstReady(tx, { userId: assistant.userId, assistantId: assistant.id })
      }
      return
    case 'stopped':
      return settle(tx, assistant, observed, 'stopped')
    case 'failed':
      return fail(tx, ctx, assistant, observed)
    case 'gone':
      await settle(tx, assistant, observed, 'deleted')
      await tx.assistant.update({ where: { id: assistant.id }, data: noAssistant })
      if (assistant.hostServerId) await releaseSlot(tx, assistant.hostServerId)
      return
    default:
      return verdict satisfies never
  }
}

/** A ready assistant with a cause runs as it did before: its change was tried and undone. A warning undoes nothing. */
const undoneBy = ({ cause }: Observed) => (cause?.code === 'disk_nearly_full' ? undefined : cause)

async function settle(
  tx: Transaction,
  assistant: Assistant,
  observed: Observed,
  step: string,
  undone?: { detail: string },
) {
  await tx.assistant.update({
    where: { id: assistant.id },
    data: { observedGeneration: observed.generation, containerId: observed.containerId || null },
  })
  await tx.provisioningJob.updateMany({
    where: { assistantId: assistant.id, generation: { lte: observed.generation }, status: open },
    data: undone
      ? { status: 'FAILED', step: 'undone', lastError: undone.detail }
      : { status: 'COMPLETED', step, lastError: null },
  })
}

/** The job moves along with the new generation, so that a repeated report of the same failure counts once. */
async function fail(tx: Transaction, ctx: Ctx, assistant: Assistant, observed: Observed) {
  const lastErrorCode = observed.cause?.code || 'assistant_failed'
  const lastErrorDetail = observed.cause?.detail ?? ''
  const job = await tx.provisioningJob.findFirst({
    where: { assistantId: assistant.id, generation: assistant.desiredGeneration, status: open },
  })
  const { attempts, again } = nextAttempt(job?.attempts)
  if (!job || !again) {
    await tx.assistant.update({
      where: { id: assistant.id },
      data: { status: 'ERROR', observedGeneration: observed.generation, lastErrorCode, lastErrorDetail },
    })
    await tx.provisioningJob.updateMany({
      where: { assistantId: assistant.id, generation: { lte: observed.generation }, status: open },
      data: { status: 'FAILED', attempts, step: 'failed', lastError: lastErrorDetail },
    })
    if (job) await mailFailure(tx, ctx, assistant, { code: lastErrorCode, detail: lastErrorDetail, attempts })
    return
  }
  const generation = assistant.desiredGeneration + 1
  await tx.assistant.update({
    where: { id: assistant.id },
    data: { desiredGeneration: generation, observedGeneration: observed.generation },
  })
  await tx.changeLog.create({
    data: { assistantId: assistant.id, generation, kind: 'RETRY', hostServerId: assistant.hostServerId },
  })
  await tx.provisioningJob.update({
    where: { id: job.id },
    data: { generation, attempts, status: 'RUNNING', step: 'retrying', lastError: lastErrorDetail },
  })
  await nudgeAbout(tx, assistant)
}

/** The last attempt at a change failed: its owner can try again, operators can look why. */
async function mailFailure(
  tx: Transaction,
  ctx: Ctx,
  { id, userId, hostServerId, desiredGeneration }: Assistant,
  failure: { code: string; detail: string; attempts: number },
): Promise<void> {
  const key = `provisioning-failed:${id}:${desiredGeneration}`
  await mailPerson({ tx, userId, template: 'provisioning-failed', key })
  const host = hostServerId && (await tx.hostServer.findUnique({ where: { id: hostServerId } }))
  const props = { assistantId: id, ...failure, ...(host && { host: host.name }) }
  const to = ctx.settings.operatorEmails
  await enqueueMail({ tx, to, template: 'operator-provisioning-failed', props, key: `operator-${key}` })
}
