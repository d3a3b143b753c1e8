import type { CallToolResponse } from '@yourclaw/proto/host/v1'
import { z } from 'zod'
import { invalidInput, notEntitled, ServiceError, tooManyRequests } from '../../errors.ts'
import type { Notifications } from '../../lib/notifications.ts'
import { isEntitled } from '../assistant/require-entitlement.ts'
import { withGoogle } from '../integration/access.ts'
import type { IntegrationCtx } from '../integration/ctx.ts'
import { askAction } from './ask-action.ts'
import { availableTools } from './available.ts'
import { awaitAction } from './await-action.ts'
import { ownerOf } from './owner.ts'
import { readStatus, statusTool, tellStatus } from './read-status.ts'
import type { ReadTool } from './tool.ts'

const maxArgumentsBytes = 256 * 1024

/**
 * One call of an assistant. What only looks is done at once; what acts is stored, and done when its person agreed: for
 * some seconds the call waits for that, then the assistant is told that it waits. Failures are told to the model in
 * words; errors: assistant_unknown (404), too_many_requests (429).
 */
export async function callTool({
  ctx,
  notifications,
  input,
}: {
  ctx: IntegrationCtx
  notifications: Pick<Notifications, 'on'>
  input: { hostId: string; assistantId: string; name: string; argumentsJson: string; signal: AbortSignal }
}): Promise<CallToolResponse> {
  const userId = await ownerOf(ctx, input)
  const leave = enter(userId)
  try {
    if (!(await isEntitled(ctx.db, userId, new Date(ctx.clock.now())))) throw notEntitled()
    const read = readArguments(input.argumentsJson)
    if (input.name === statusTool.name) return { text: await readStatus(ctx, userId, read), isError: false }
    const tool = (await availableTools(ctx.db, ctx, userId)).find(({ name }) => name === input.name)
    if (!tool) throw new ServiceError(404, 'unknown_tool', 'There is no such tool, or it is not connected.')
    const parsed = tool.input.parse(read)
    if (tool.kind === 'read') return { text: await look(ctx, userId, tool, parsed), isError: false }
    const { id, isNew } = await askAction({ ctx, input: { userId, tool, parsed } })
    const action = await awaitAction({ ctx, notifications, input: { id, userId, signal: input.signal } })
    const status = tellStatus(action, ctx.clock.now())
    const text = isNew ? status : `This was asked for already, and is not done twice. ${status}`
    return { text, isError: action.state === 'FAILED' }
  } catch (error) {
    return { text: tellError(ctx, input.name, error), isError: true }
  } finally {
    leave()
  }
}

/** Calls of each person that are under way here, where their host's session is. */
const underWay = new Map<string, number>()
const maxUnderWay = 8

/** Throws too_many_requests (429) before the database hears of it. */
function enter(userId: string): () => void {
  const already = underWay.get(userId) ?? 0
  if (already >= maxUnderWay) throw tooManyRequests(1_000)
  underWay.set(userId, already + 1)
  return () => {
    const rest = (underWay.get(userId) ?? 1) - 1
    if (rest > 0) underWay.set(userId, rest)
    else underWay.delete(userId)
  }
}

/** What is no JSON is no arguments either; the tool's schema says what is missing. */
function readArguments(json: string): unknown {
  if (Buffer.byteLength(json) > maxArgumentsBytes)
    throw new ServiceError(413, 'body_too_large', 'That is too much.')
  try {
    return JSON.parse(json, (key, value: unknown) => {
      if (!isStorable(key) || (typeof value === 'string' && !isStorable(value)))
        throw invalidInput('The arguments hold a NUL or half a character.', 'invalid_text')
      return value
    })
  } catch (error) {
    if (error instanceof ServiceError) throw error
    return undefined
  }
}

/** PostgreSQL keeps neither NUL nor half of a pair, and a person could not be shown them. */
const isStorable = (text: string) => text.isWellFormed() && !text.includes('\0')

async function look(ctx: IntegrationCtx, userId: string, tool: ReadTool, input: unknown): Promise<string> {
  const person = await ctx.db.user.findUniqueOrThrow({ where: { id: userId }, select: { timeZone: true } })
  return withGoogle({
    ctx,
    input: { userId, service: tool.service },
    work: (api) => tool.run(api, input, person),
  })
}

function tellError(ctx: IntegrationCtx, tool: string, error: unknown): string {
  if (error instanceof z.ZodError) return `The arguments are wrong: ${z.prettifyError(error).slice(0, 2_000)}`
  if (error instanceof ServiceError) {
    // The detail of google_refused quotes a request, which is nobody's business here.
    ctx.log.info({ tool, code: error.code }, 'a tool came to nothing')
    return `${error.detail} (${error.code})`
  }
  ctx.log.error({ err: error, tool }, 'a tool failed')
  return 'That did not work, and it is our fault. Try again later. (internal)'
}
