/** What this plugin uses of the SDK of the pinned OpenClaw, whose own types are not in this workspace. */
declare module 'openclaw/plugin-sdk/channel-core' {
  export interface Config {
    channels?: { yourclaw?: object }
  }
  export interface SendContext {
    cfg: Config
    text: string
    /** A path or an address, as the model wrote it. */
    mediaUrl?: string
    /** The one delivery that OpenClaw keeps for this message, across its restarts. */
    deliveryQueueId?: string
    deliveryPartIndex?: number
    signal?: AbortSignal
    onPlatformSendDispatch?(): Promise<void>
    assertDirectAdapterHandoff?(): void
  }
  export interface Sent {
    messageId: string
    receipt: object
  }
  export interface RouteContext {
    cfg: Config
    agentId: string
    currentSessionKey?: string
  }
  export interface StartContext {
    accountId: string
    abortSignal?: AbortSignal
    setStatus?(status: { accountId: string; running: boolean; connected: boolean }): void
  }
  export interface ToolCall {
    toolName: string
    params: Record<string, unknown>
  }
  export interface PluginApi {
    config: Config
    on(
      hook: 'before_tool_call',
      handler: (call: ToolCall, context: { sessionKey?: string }) => { params: object } | undefined,
      options: { matcher: string[] },
    ): void
  }
  export function createChannelPluginBase(options: object): object
  export function createChatChannelPlugin(options: object): object
  export function defineChannelPluginEntry(options: {
    id: string
    name: string
    description: string
    plugin: object
    registerCapabilities(api: PluginApi): void
  }): object
  export function defineSetupPluginEntry(plugin: object): object
}

declare module 'openclaw/plugin-sdk/error-runtime' {
  /** Says that trying again duplicates nothing. */
  export class PlatformMessageNotDispatchedError extends Error {}
}
