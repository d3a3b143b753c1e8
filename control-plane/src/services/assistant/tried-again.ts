import type { Assistant } from '@yourclaw/db'

/** What a change does to an assistant that failed: it is on its way up again, unless it is stopped on purpose. */
export const triedAgain = ({ status, suspendedAt }: Pick<Assistant, 'status' | 'suspendedAt'>) =>
  status === 'ERROR' && suspendedAt === null
    ? ({ status: 'PROVISIONING', lastErrorCode: null, lastErrorDetail: null } as const)
    : {}
