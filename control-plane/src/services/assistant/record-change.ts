import type { Assistant, ChangeKind, Prisma, Transaction } from '@yourclaw/db'
import { nudge } from '../../context.ts'

/**
 * The one way desired state changes: raises the generation and writes why (change_log) and what the person sees of it
 * (provisioning_jobs), then wakes the host's session and the person's page. The caller holds the assistant's row lock.
 */
export async function recordChange(
  tx: Transaction,
  assistant: Pick<Assistant, 'id' | 'userId' | 'desiredGeneration'>,
  kind: ChangeKind,
  data: Prisma.AssistantUncheckedUpdateInput = {},
  job: { status?: 'PENDING' | 'COMPLETED'; step?: string } = {},
): Promise<Assistant> {
  const generation = assistant.desiredGeneration + 1
  const changed = await tx.assistant.update({
    where: { id: assistant.id },
    data: { ...data, desiredGeneration: generation },
  })
  await tx.changeLog.create({
    data: { assistantId: changed.id, generation, kind, hostServerId: changed.hostServerId },
  })
  await tx.provisioningJob.create({
    data: {
      userId: changed.userId,
      assistantId: changed.id,
      generation,
      kind,
      status: job.status ?? 'PENDING',
      step: job.step ?? (changed.hostServerId ? 'placed' : 'queued'),
    },
  })
  await nudgeAbout(tx, changed)
  return changed
}

export async function nudgeAbout(tx: Transaction, assistant: Pick<Assistant, 'userId' | 'hostServerId'>) {
  if (assistant.hostServerId) nudge(tx, 'changes', assistant.hostServerId)
  nudge(tx, 'assistant', assistant.userId)
}
