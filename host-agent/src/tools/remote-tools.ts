import { status as grpcStatus, Metadata, type ServiceError } from '@grpc/grpc-js'
import type {
  CallToolResponse,
  HostServiceClient,
  ListToolsResponse,
  ToolDefinition,
} from '@yourclaw/proto/host/v1'

/** The control plane's tools, over whichever connection there is. What goes wrong is told to the model in words. */
export interface RemoteTools {
  /** Throws while there is no connection. */
  list(assistantId: string): Promise<ToolDefinition[]>
  call(
    input: { assistantId: string; name: string; argumentsJson: string },
    signal: AbortSignal,
  ): Promise<CallToolResponse>
  /** What it returns is called when the connection is over. */
  connect(client: HostServiceClient): () => void
}

/** Longer than the control plane waits for a person. */
const callMs = 75_000
const listMs = 10_000

export function createRemoteTools(): RemoteTools {
  let client: HostServiceClient | undefined
  const connected = () => {
    if (!client) throw new Error('no connection')
    return client
  }
  const deadline = (ms: number) => ({ deadline: Date.now() + ms })

  return {
    async list(assistantId) {
      const live = connected()
      const { tools } = await new Promise<ListToolsResponse>((resolve, reject) => {
        live.listTools({ assistantId }, new Metadata(), deadline(listMs), (error, answer) =>
          error ? reject(error) : resolve(answer),
        )
      })
      return tools
    },
    async call(input, signal) {
      try {
        const live = connected()
        return await new Promise((resolve, reject) => {
          const call = live.callTool(input, new Metadata(), deadline(callMs), (error, answer) =>
            error ? reject(error) : resolve(answer),
          )
          signal.addEventListener('abort', () => call.cancel(), { once: true })
        })
      } catch (error) {
        return { text: wordsFor(error), isError: true }
      }
    },
    connect(live) {
      client = live
      return () => {
        if (client === live) client = undefined
      }
    },
  }
}

function wordsFor(error: unknown): string {
  const { code, details } = error as Partial<ServiceError>
  if (code === grpcStatus.NOT_FOUND) return `There is no such assistant here. (${details})`
  if (details === 'too_many_requests')
    return 'That is too much at once. Nothing was done: try again in a moment.'
  // The link may have broken behind a deed: nobody here can know.
  return 'This cannot be reached right now. What was asked for may have been done: look before you try again. (tools_unreachable)'
}
