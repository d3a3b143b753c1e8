import type { Ctx } from '../context.ts'
import { ServiceError } from '../errors.ts'
import type { Tokens } from '../lib/tokens.ts'
import type { Vault } from '../lib/vault.ts'
import { dayMs, plan } from '../plan.ts'
import { fileUrl } from '../services/attachment/file-url.ts'
import { openFile } from '../services/attachment/open-file.ts'
import type { Store } from '../storage/store.ts'
import { type OutgoingFiles, SendError } from './sender.ts'

/** A provider fetches at once; so much is for its retries. */
const providerLinkMs = 6 * 3_600_000

export function createOutgoingFiles(deps: {
  ctx: Pick<Ctx, 'db' | 'clock'>
  vault: Vault
  store: Store
  tokens: Tokens
  /** What people open goes through the web. */
  webUrl: string
  apiUrl: string
}): OutgoingFiles {
  const { ctx, vault, store, tokens, webUrl, apiUrl } = deps
  return {
    async open(attachmentId) {
      try {
        return (await openFile({ ctx, vault, store, input: { attachmentId } })).stream
      } catch (error) {
        if (error instanceof ServiceError && error.code === 'file_gone')
          throw new SendError('file_gone', { kind: 'permanent' })
        throw error
      }
    },
    async link(attachmentId, reader) {
      const lastsMs = reader === 'person' ? plan.fileLinkDays * dayMs : providerLinkMs
      const token = await tokens.signLink(attachmentId, new Date(ctx.clock.now() + lastsMs))
      return fileUrl(reader === 'person' ? webUrl : apiUrl, attachmentId, token)
    },
  }
}
