import type { AssistantSpec } from '@yourclaw/proto/host/v1'
import type { Archive } from './archive.ts'

/** Whose state, and where it lies. */
export type AssistantRef = Pick<AssistantSpec, 'assistantId' | 'userId'>

/** Where a running assistant is reached. */
export interface Running {
  /** The container or process. */
  containerId: string
  /** Base URL of its gateway. */
  url: string
}

/** What `start` came to. */
export interface Started extends Running {
  /** Why what runs is not what the spec asks for but what ran before: the change was tried, and undone. */
  refused?: Cause
}

/**
 * What became of messages that were sent to an assistant, as its conversation tells.
 * absent: not there, or set aside with a run that was canceled; sending them leaves one copy.
 * interrupted: taken by a run whose process ended, and not taken up again yet.
 * running: a run goes on that nobody here has called.
 * answered: `text` is the answer; may be empty.
 * unanswered: they stay, and no run will answer them.
 */
export type Aftermath =
  | { state: 'absent' | 'interrupted' | 'running' | 'unanswered' }
  | { state: 'answered'; text: string }

/** A stable code and a sentence without secrets. */
export interface Cause {
  code: string
  detail: string
}

/** One assistant's memory of what was said, readable whether its gateway runs or not. */
export interface Conversation {
  /** False when there is none yet, or it was lost. */
  exists(): Promise<boolean>
  /** A mark of where it ends now; only `since` understands it. */
  end(): Promise<string>
  /** What became of messages that were sent after `mark` was taken. */
  since(mark: string): Promise<Aftermath>
}

/**
 * How an assistant that nobody needs rests, with all that it holds in memory. Each may be repeated; an assistant that
 * does not run is assistant_unreachable. Nobody asks for it yet.
 */
export interface Rest {
  /** Nothing in it moves from now on. Its gateway does not answer, which is no end and no hang. */
  pause(assistantId: string): Promise<void>
  /** Moves the memory of one that is paused to swap, as far as there is any; answers the bytes that stay. */
  reclaimMemory(assistantId: string): Promise<number>
  /** It goes on where it stood. */
  unpause(assistantId: string): Promise<void>
}

/**
 * Runs assistants. The reconciler never makes two calls for one assistant at a time; every call may be repeated.
 * Failures are AgentErrors whose code reaches the control plane.
 */
export interface Runtime {
  readonly name: 'docker' | 'process' | 'fake'
  /**
   * Resolves once the gateway serves turns. Of one that runs it changes what `apply` would; only where the spec asks for
   * what a running one cannot become (a restart, an image) it is replaced, and `goesDown` called before it ends.
   */
  start(spec: AssistantSpec, goesDown?: () => void): Promise<Started>
  /**
   * Brings model, keys, token and limits of a running assistant up to date without a restart. What cannot be so is no
   * retryable AgentError, and it runs on without that.
   */
  apply(spec: AssistantSpec): Promise<void>
  /** Stops it and keeps its data; stopping one that is not there is fine. */
  stop(assistantId: string): Promise<void>
  /** Stops it and erases its data; resolves only when none is left. */
  erase(spec: AssistantSpec): Promise<void>
  /** One of its conversations, by number from 0. */
  conversation(spec: AssistantSpec, conversation: number): Conversation
  /**
   * Writes memory and workspace into one checksummed file, without tokens and logs. One that runs is paused meanwhile:
   * its turn waits, and goes on. Throws no_state when there is none.
   */
  archiveState(ref: AssistantRef, destinationFile: string): Promise<Archive>
  /**
   * Writes a copy of a file into the workspace of an assistant that is there, whole or not at all, as the assistant's own.
   * `path` is "inbox/" and a plain name.
   */
  placeFile(ref: AssistantRef, path: string, sourceFile: string): Promise<void>
  /** Bytes that memory and workspace take up on the disk. */
  diskUsed(ref: AssistantRef): Promise<number>
  /** Stops it, and puts an archive's state in the place of its own. Throws archive_damaged, and then changes nothing. */
  restoreState(ref: AssistantRef, sourceFile: string, sha256: string): Promise<void>
  /** Absent where the runtime cannot. */
  readonly rest?: Rest
  /** Assistants that an agent before this one left running; `start` adopts one, `stop` ends it. */
  leftRunning(): Promise<string[]>
  /** Called when an assistant ends that nobody stopped, with the reason where it is known. */
  onExit(listener: (assistantId: string, cause?: Cause) => void): void
  /** Lets go of everything. Containers go on without the agent; processes and stand-ins end with it. */
  close(): Promise<void>
}

/** User ids become folder names: anything but a plain id is refused before it touches the disk. */
export function isPlainId(id: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(id)
}
