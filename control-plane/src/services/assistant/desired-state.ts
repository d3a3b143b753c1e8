import type { Assistant, LlmProvider } from '@yourclaw/db'
import { type AssistantSpec, Presence, Provider } from '@yourclaw/proto/host/v1'
import type { Ctx } from '../../context.ts'
import type { Vault } from '../../lib/vault.ts'
import { readAllowances } from '../credit/allowances.ts'
import { holding, toolsVersion } from '../tool/available.ts'

const providers: Record<LlmProvider, Provider> = {
  ANTHROPIC: Provider.PROVIDER_ANTHROPIC,
  OPENAI: Provider.PROVIDER_OPENAI,
  GOOGLE: Provider.PROVIDER_GOOGLE,
  BRAVE: Provider.PROVIDER_BRAVE,
}

/** What a host should run: every assistant placed on it, or those of `assistantIds` that are. */
export async function desiredState({
  ctx,
  vault,
  input,
}: {
  ctx: Ctx
  vault: Vault
  input: { hostId: string; assistantIds?: string[] }
}): Promise<AssistantSpec[]> {
  const assistants = await ctx.db.assistant.findMany({
    where: { hostServerId: input.hostId, ...(input.assistantIds && { id: { in: input.assistantIds } }) },
    include: {
      user: {
        select: {
          fallbackModel: true,
          apiKeys: { where: { invalidSince: null } },
          integrations: { where: holding, select: { service: true, scopes: true } },
        },
      },
    },
    orderBy: { id: 'asc' },
  })
  const allowances = new Map((await readAllowances({ ctx, input })).map((one) => [one.assistantId, one]))
  return Promise.all(
    assistants.map(async (assistant) => ({
      assistantId: assistant.id,
      userId: assistant.userId,
      generation: assistant.desiredGeneration,
      presence: presenceOf(assistant),
      model: assistant.model,
      restartCount: assistant.restartCount,
      gatewayToken: assistant.gatewayTokenEncrypted ? await vault.open(assistant.gatewayTokenEncrypted) : '',
      virtualKey: assistant.virtualKeyEncrypted ? await vault.open(assistant.virtualKeyEncrypted) : '',
      ownKeys: await Promise.all(
        assistant.user.apiKeys.map(async ({ provider, encryptedKey }) => ({
          provider: providers[provider],
          key: await vault.open(encryptedKey),
        })),
      ),
      limits: limitsOf(assistant),
      image: assistant.image ?? '',
      allowance: allowances.get(assistant.id),
      fallbackModel: assistant.user.fallbackModel ?? '',
      toolsVersion: ctx.settings.googleIntegrations ? toolsVersion(assistant.user.integrations) : '',
    })),
  )
}

/** The generations a host should be at, by assistant: enough to know what to send, without opening a secret. */
export async function desiredGenerations({ ctx, input }: { ctx: Ctx; input: { hostId: string } }) {
  const rows = await ctx.db.assistant.findMany({
    where: { hostServerId: input.hostId },
    select: { id: true, desiredGeneration: true },
  })
  return new Map(rows.map((row) => [row.id, row.desiredGeneration]))
}

const mebibyte = 2 ** 20

/** 0 stands for the host's default. */
const limitsOf = ({ memoryMb, cpuMillis, pids, logMb }: Assistant) => ({
  memoryBytes: BigInt((memoryMb ?? 0) * mebibyte),
  cpuMillis: cpuMillis ?? 0,
  pids: pids ?? 0,
  logBytes: BigInt((logMb ?? 0) * mebibyte),
})

function presenceOf(assistant: Assistant): Presence {
  if (assistant.desired === 'ABSENT') return Presence.PRESENCE_ABSENT
  return assistant.suspendedAt ? Presence.PRESENCE_SUSPENDED : Presence.PRESENCE_RUNNING
}
