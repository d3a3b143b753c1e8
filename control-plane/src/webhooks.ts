import type { Deps } from './deps.ts'
import { commands } from './services/command/commands.ts'

type Registrar = Pick<Deps, 'telegram' | 'whatsapp' | 'senders' | 'log'> & {
  env: Pick<Deps['env'], 'API_URL' | 'TELEGRAM_WEBHOOK_SECRET'>
}

/** Where a provider sends messages to, and whether it still does. */
interface Webhook {
  provider: string
  /** False when the provider knows no such sender. */
  set(): Promise<unknown>
  isLost(): Promise<boolean>
}

function webhooksOf({ telegram, whatsapp, senders, env }: Registrar): Webhook[] {
  const [toTelegram, toTwilio] = ['telegram', 'twilio/whatsapp'].map(
    (at) => `${env.API_URL}/api/v1/webhooks/${at}`,
  )
  const webhooks: Webhook[] = []
  if (senders.TELEGRAM && toTelegram !== undefined) {
    webhooks.push({
      provider: 'telegram',
      async set() {
        await telegram.setWebhook(toTelegram, env.TELEGRAM_WEBHOOK_SECRET)
        await telegram.setCommands(commands)
      },
      isLost: () => telegram.isWebhookLost(toTelegram),
    })
  }
  if (senders.WHATSAPP && toTwilio !== undefined) {
    webhooks.push({
      provider: 'twilio',
      set: () => whatsapp.setWebhook(toTwilio),
      isLost: () => whatsapp.isWebhookLost(toTwilio),
    })
  }
  return webhooks
}

/** At start, whatever stands: the secret may be new. When a provider is down an old one still stands, so we go on. */
export async function registerWebhooks(deps: Registrar): Promise<void> {
  const set = async ({ provider, set }: Webhook) => {
    const taken = await set().catch(() => false)
    if (taken === false)
      deps.log.error(
        { provider },
        'the webhook was not taken: messages arrive only if an earlier registration stands',
      )
  }
  await Promise.all(webhooksOf(deps).map(set))
}

/** Sets again only what is lost: deleted at the provider, or taken by another deployment. Never rejects. */
export async function repairWebhooks(deps: Registrar): Promise<void> {
  const repair = async ({ provider, set, isLost }: Webhook) => {
    try {
      if (!(await isLost())) return
      await set()
      deps.log.warn({ provider }, 'the webhook was lost, and is set again')
    } catch {
      deps.log.warn({ provider }, 'the webhook could not be looked at')
    }
  }
  await Promise.all(webhooksOf(deps).map(repair))
}
