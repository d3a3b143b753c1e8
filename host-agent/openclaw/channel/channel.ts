import { randomUUID } from 'node:crypto'
import { homedir } from 'node:os'
import { join } from 'node:path'
import {
  type Config,
  createChannelPluginBase,
  createChatChannelPlugin,
  type RouteContext,
  type SendContext,
  type Sent,
  type StartContext,
} from 'openclaw/plugin-sdk/channel-core'
import { openFile } from './file.ts'
import { post } from './post.ts'
import { isChat, settingsOf } from './settings.ts'

const id = 'yourclaw'
const meta = {
  id,
  label: 'YourClaw',
  selectionLabel: 'YourClaw',
  docsPath: '/channels/yourclaw',
  blurb: 'The chat with the person this assistant is for.',
}

async function sendText(send: SendContext): Promise<Sent> {
  await dispatched(send)
  const message = { id: idOf(send), text: send.text }
  return sent('text', await post(settingsOf(send.cfg), message, undefined, send.signal))
}

async function sendMedia(send: SendContext): Promise<Sent> {
  const settings = settingsOf(send.cfg)
  const state = join(homedir(), '.openclaw')
  // What OpenClaw made or keeps for a later attempt lies in its own folders.
  const own = [join(state, 'media'), join(state, 'delivery-queue-media')]
  await using file = await openFile([settings.workspace, ...own], send.mediaUrl ?? '')
  await dispatched(send)
  return sent('media', await post(settings, { id: idOf(send), text: send.text }, file, send.signal))
}

/** OpenClaw's queue notes that it is under way, and lets nobody else send it meanwhile. */
async function dispatched(send: SendContext): Promise<void> {
  await send.onPlatformSendDispatch?.()
  send.assertDirectAdapterHandoff?.()
}

/** The same for every attempt that OpenClaw makes of one message, over its restarts. */
const idOf = ({ deliveryQueueId, deliveryPartIndex = 0 }: SendContext) =>
  deliveryQueueId === undefined ? randomUUID() : `${deliveryQueueId}:${deliveryPartIndex}`

function sent(kind: 'text' | 'media', messageId: string): Sent {
  const parts = [{ platformMessageId: messageId, kind, index: 0 }]
  const receipt = {
    primaryPlatformMessageId: messageId,
    platformMessageIds: [messageId],
    parts,
    sentAt: Date.now(),
  }
  return { messageId, receipt }
}

/** Nothing is listened for: what the person writes comes over the gateway's chat endpoint. */
async function startAccount({ accountId, abortSignal, setStatus }: StartContext): Promise<void> {
  setStatus?.({ accountId, running: true, connected: true })
  // A gateway one of whose accounts has ended is not ready.
  await new Promise<void>((resolve) =>
    abortSignal?.addEventListener('abort', () => resolve(), { once: true }),
  )
}

const person = (cfg: Config) => settingsOf(cfg).allowFrom[0] ?? ''

/** What is sent belongs to the session of the chat, whichever other one sent it: the next turn there knows of it. */
function chatRoute({ cfg, agentId, currentSessionKey }: RouteContext) {
  const settings = settingsOf(cfg)
  const sessionKey = isChat(settings, currentSessionKey)
    ? currentSessionKey
    : `agent:${agentId}:${settings.session}`.toLowerCase()
  const to = person(cfg)
  const peer = { kind: 'direct', id: to }
  return { sessionKey, baseSessionKey: sessionKey, peer, chatType: 'direct', from: to, to }
}

/** One account, one person, no threads; nobody else can be written to, whatever name a model gives. */
export const yourclaw = createChatChannelPlugin({
  base: {
    ...createChannelPluginBase({
      id,
      config: {
        listAccountIds: () => ['default'],
        resolveAccount: (cfg: Config, accountId?: string | null) => ({
          accountId: accountId ?? null,
          ...settingsOf(cfg),
        }),
        resolveAllowFrom: ({ cfg }: { cfg: Config }) => settingsOf(cfg).allowFrom,
        inspectAccount: (cfg: Config) => {
          const configured = cfg.channels?.yourclaw !== undefined
          return { enabled: configured, configured, tokenStatus: configured ? 'available' : 'missing' }
        },
      },
      // Every message reads the config as it is then.
      reload: { configPrefixes: [], noopPrefixes: ['channels.yourclaw'] },
      setup: { applyAccountConfig: ({ cfg }: { cfg: Config }) => cfg },
    }),
    capabilities: { chatTypes: ['direct'], media: true },
    meta,
    messaging: {
      targetPrefixes: [id],
      normalizeTarget: (raw: string) => raw.replace(/^yourclaw:/i, ''),
      inferTargetChatType: () => 'direct',
      resolveOutboundSessionRoute: chatRoute,
      targetResolver: {
        looksLikeId: () => true,
        hint: 'the person',
        resolveTarget: async ({ input, normalized }: { input: string; normalized?: string }) => ({
          to: normalized ?? input,
          kind: 'user',
          source: 'normalized',
        }),
      },
    },
    gateway: { startAccount },
    message: {
      id,
      send: { text: sendText, media: sendMedia },
      durableFinal: {
        capabilities: { text: true, media: true, reconcileUnknownSend: true },
        automaticUnknownSendReconciliation: true,
        reconcileUnknownSendKinds: { text: true, media: true },
        // Whatever became of the last attempt, the next one has the same id and is taken once.
        reconcileUnknownSend: () => ({ status: 'not_sent' }),
      },
    },
  },
  security: {
    dm: {
      channelKey: id,
      resolvePolicy: () => 'allowlist',
      resolveAllowFrom: ({ allowFrom }: { allowFrom: string[] }) => allowFrom,
      defaultPolicy: 'allowlist',
    },
  },
  threading: { topLevelReplyToMode: 'reply' },
  outbound: {
    attachedResults: { channel: id, sendText, sendMedia },
    base: {
      deliveryMode: 'direct',
      resolveTarget: ({ cfg, allowFrom = [] }: { cfg?: Config; allowFrom?: string[] }) => {
        const to = cfg ? person(cfg) : allowFrom[0]
        return to ? { ok: true, to } : { ok: false, error: new Error('There is nobody to write to.') }
      },
    },
  },
})
