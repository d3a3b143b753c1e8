import type { Config } from 'openclaw/plugin-sdk/channel-core'

/** `channels.yourclaw` of the config, as the host agent writes it; the manifest's schema demands each of them. */
export interface Settings {
  /** Where messages are posted. */
  url: string
  /** Says whose assistant this is. */
  token: string
  /** The first session of the chat; later ones have its name and a number. */
  session: string
  /** Files that are sent lie below it. */
  workspace: string
  /** The one person there is. */
  allowFrom: string[]
}

export const settingsOf = (cfg: Config) => (cfg.channels?.yourclaw ?? {}) as Settings

/** Whether a session is one of the chat's, and not of a job or of OpenClaw's own. */
export function isChat({ session }: Settings, sessionKey = ''): boolean {
  const name = sessionKey.split(':').at(-1) ?? ''
  return name.replace(/-\d+$/, '') === session.toLowerCase() || name === session.toLowerCase()
}
