import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, Server } from '@modelcontextprotocol/server'
import type { Logger } from 'pino'
import { z } from 'zod'
import { readBody } from '../model-gateway/body.ts'
import { createOpenCalls } from '../model-gateway/open-calls.ts'
import { Refusal, tooLarge } from '../model-gateway/refusal.ts'
import type { Service } from '../model-gateway/service.ts'
import { agentVersion } from '../version.ts'
import type { RemoteTools } from './remote-tools.ts'

/** The largest call. */
const maxBodyBytes = 512 * 1024

const schemaObject = z.looseObject({ type: z.literal('object') })

/** One call: many in one request would pass for one. */
function readCall(bytes: Buffer): unknown {
  if (bytes.length > maxBodyBytes) throw tooLarge(maxBodyBytes)
  let call: unknown
  try {
    call = JSON.parse(bytes.toString('utf8'))
  } catch {
    throw new Refusal(400, 'invalid_json', 'The request is not JSON.')
  }
  if (Array.isArray(call)) throw new Refusal(400, 'batch_refused', 'Calls are taken one by one.')
  return call
}

/**
 * The tools that the control plane has for an assistant, by the Model Context Protocol, without sessions: what is said
 * here was asked for by the assistant of the door it came through, and done elsewhere.
 */
export function createToolService({ tools, log }: { tools: RemoteTools; log: Logger }): Service {
  const open = createOpenCalls()
  const serverFor = (assistantId: string) => {
    const server = new Server({ name: 'yourclaw', version: agentVersion }, { capabilities: { tools: {} } })
    server.setRequestHandler('tools/list', async () => ({
      tools: (await tools.list(assistantId)).map(({ name, description, inputSchemaJson, readOnly }) => ({
        name,
        description,
        inputSchema: schemaObject.parse(JSON.parse(inputSchemaJson)),
        annotations: { readOnlyHint: readOnly, destructiveHint: !readOnly, openWorldHint: true },
      })),
    }))
    server.setRequestHandler('tools/call', async ({ params }, { mcpReq }) => {
      const { name, arguments: args = {} } = params
      const input = { assistantId, name, argumentsJson: JSON.stringify(args) }
      const { text, isError } = await tools.call(input, mcpReq.signal)
      return { content: [{ type: 'text', text }], isError }
    })
    return server
  }
  // Who calls is known before this is reached, and handed on in place of a token.
  const handler = createMcpHandler(({ authInfo }) => serverFor(authInfo?.clientId ?? ''), {
    maxRequestBodySize: maxBodyBytes,
    onerror: (err) => log.debug({ err }, 'a tool request was not served'),
  })
  const serve = toNodeHandler(handler, { maxRequestBodySize: maxBodyBytes })

  return async (request, response, { assistantId }) => {
    const entry = open.enter(assistantId)
    try {
      const auth = { token: '', clientId: assistantId, scopes: [] }
      const { method = 'POST', url = '/' } = request
      const body = method === 'POST' ? readCall(await readBody(request, entry.grow)) : undefined
      await serve(Object.assign(request, { auth, method, url }), response, body)
    } finally {
      entry.leave()
    }
  }
}
