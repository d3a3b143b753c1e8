import { status } from '@grpc/grpc-js'
import type { Logger } from 'pino'
import { ServiceError } from '../errors.ts'

/** Maps a service error to a gRPC status; anything else is logged and says nothing to the outside. */
export function toStatus(error: unknown, log: Logger): { code: status; details: string } {
  if (!(error instanceof ServiceError)) {
    log.error({ err: error }, 'fleet call failed')
    return { code: status.INTERNAL, details: 'internal' }
  }
  return { code: codeOf(error), details: error.code }
}

function codeOf(error: ServiceError): status {
  if (error.code === 'stale_epoch') return status.FAILED_PRECONDITION
  switch (error.status) {
    case 400:
      return status.INVALID_ARGUMENT
    case 401:
      return status.UNAUTHENTICATED
    case 403:
      return status.PERMISSION_DENIED
    case 404:
      return status.NOT_FOUND
    default:
      return error.retryable ? status.UNAVAILABLE : status.FAILED_PRECONDITION
  }
}
