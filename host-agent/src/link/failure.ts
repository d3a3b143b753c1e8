import { status } from '@grpc/grpc-js'
import { AgentError } from '../errors.ts'

const refused =
  'The control plane does not accept this host’s certificate: it was revoked, or ran out. A join token for this host’s name enrolls it anew, unless the host itself was revoked.'

/** What went wrong on the link, for the log: a code and words for what is known, the error itself for what is not. */
export function failureOf(error: unknown): { code: string; detail: string } | { err: unknown } {
  if (error instanceof AgentError) return { code: error.code, detail: error.detail }
  if (!(error instanceof Error) || !('code' in error) || !('details' in error)) return { err: error }
  const { code, details } = error
  if (code === status.UNAUTHENTICATED) return { code: String(details), detail: refused }
  if (code === status.UNAVAILABLE || code === status.FAILED_PRECONDITION || code === status.CANCELLED) {
    return { code: 'control_plane_unavailable', detail: String(details) }
  }
  return { err: error }
}
