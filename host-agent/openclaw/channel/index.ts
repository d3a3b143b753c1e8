import { defineChannelPluginEntry, type PluginApi } from 'openclaw/plugin-sdk/channel-core'
import { yourclaw } from './channel.ts'
import { completeCall } from './complete-call.ts'
import { isChat, settingsOf } from './settings.ts'

export default defineChannelPluginEntry({
  id: 'yourclaw',
  name: 'YourClaw',
  description: 'The chat with the person this assistant is for.',
  plugin: yourclaw,
  // Not `registerFull`: the registry that a turn asks has only what is registered here.
  registerCapabilities(api: PluginApi) {
    const settings = settingsOf(api.config)
    const person = settings.allowFrom[0] ?? ''
    api.on(
      'before_tool_call',
      (call, { sessionKey }) => completeCall(call, { person, isChat: isChat(settings, sessionKey) }),
      { matcher: ['automations', 'message'] },
    )
  },
})
