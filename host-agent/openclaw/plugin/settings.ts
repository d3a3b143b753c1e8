import type { Config } from 'openclaw/plugin-sdk/channel-core'

/** `channels.yourclaw` of the config, as the host agent writes it; the manifest's schema demands each of them. */
export interface Settings {
  /** Where messages are posted. */
  url: string
  /** Says whose assistant this is. */
  token: string
  /** The session of the chat. */
  session: string
  /** Files that are sent lie below it. */
  workspace: string
  /** The one person there is. */
  allowFrom: string[]
}

export const settingsOf = (cfg: Config) => (cfg.channels?.yourclaw ?? {}) as Settings
