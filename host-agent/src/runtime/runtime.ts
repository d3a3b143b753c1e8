import type { AssistantSpec } from '@yourclaw/proto/host/v1'

/** Where a running assistant is reached. */
export interface Running {
  /** The container or process. */
  containerId: string
  /** Base URL of its gateway. */
  url: string
}

/**
 * Runs assistants. The reconciler never makes two calls for one assistant at a time; every call may be repeated.
 * Failures are AgentErrors whose code reaches the control plane.
 */
export interface Runtime {
  readonly name: 'docker' | 'process' | 'fake'
  /** Resolves once the gateway serves turns. Starting one that runs changes nothing but what `apply` would. */
  start(spec: AssistantSpec): Promise<Running>
  /** Brings model, keys and token of a running assistant up to date without a restart. */
  apply(spec: AssistantSpec): Promise<void>
  /** Stops it and keeps its data; stopping one that is not there is fine. */
  stop(assistantId: string): Promise<void>
  /** Stops it and erases its data; resolves only when none is left. */
  erase(spec: AssistantSpec): Promise<void>
  /** False when the assistant has no conversation yet, or lost it. */
  conversationExists(assistantId: string): Promise<boolean>
  /** Called when an assistant ends that nobody stopped. */
  onExit(listener: (assistantId: string) => void): void
  close(): Promise<void>
}

/** User ids become folder names: anything but a plain id is refused before it touches the disk. */
export function isPlainId(id: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(id)
}
