import type { OpenGoogleApi } from '../../lib/google-api.ts'
import type { GoogleConsent } from '../../lib/google-consent.ts'
import type { Vault } from '../../lib/vault.ts'
import type { ConversationCtx } from '../conversation/ctx.ts'

/** What the verbs about Google need beside the rest. */
export interface IntegrationCtx extends ConversationCtx {
  vault: Vault
  consent: GoogleConsent
  openApi: OpenGoogleApi
}
