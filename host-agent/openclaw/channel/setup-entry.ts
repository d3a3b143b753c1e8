import { defineSetupPluginEntry } from 'openclaw/plugin-sdk/channel-core'
import { yourclaw } from './channel.ts'

export default defineSetupPluginEntry(yourclaw)
