import type { Ctx } from '../../context.ts'
import type { OpenGoogleApi } from '../../lib/google-api.ts'
import type { GoogleConsent } from '../../lib/google-consent.ts'
import type { Vault } from '../../lib/vault.ts'
import type { ConversationCtx } from '../conversation/ctx.ts'

/** What it takes to end what somebody connected. */
export interface RevokingCtx extends Ctx {
  vault: Vault
  consent: GoogleConsent
}

/** What the verbs about Google need beside the rest. */
export interface IntegrationCtx extends ConversationCtx, RevokingCtx {
  openApi: OpenGoogleApi
}
