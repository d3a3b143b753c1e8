import type { ToolDefinition } from '@yourclaw/proto/host/v1'
import { z } from 'zod'
import type { Ctx } from '../../context.ts'
import { availableTools } from './available.ts'
import { ownerOf } from './owner.ts'
import { statusTool } from './read-status.ts'

/** What an assistant of that host can do at Google now. Errors: assistant_unknown (404). */
export async function listTools({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { hostId: string; assistantId: string }
}): Promise<ToolDefinition[]> {
  const userId = await ownerOf(ctx, input)
  const available = await availableTools(ctx.db, ctx, userId)
  const acts = available.some(({ kind }) => kind === 'act')
  return [...available, ...(acts ? [statusTool] : [])].map(({ name, description, input: schema, kind }) => ({
    name,
    description,
    inputSchemaJson: JSON.stringify(z.toJSONSchema(schema, { io: 'input', target: 'draft-7' })),
    readOnly: kind === 'read',
  }))
}
