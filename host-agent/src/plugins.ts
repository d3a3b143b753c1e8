import { fileURLToPath } from 'node:url'

const at = (folder: string) => fileURLToPath(new URL(`../openclaw/${folder}`, import.meta.url))

/** OpenClaw's plugins of ours, beside the sources, and beside a bundle of them. */
export const plugins = {
  /** Where the assistant speaks first. */
  channel: at('channel'),
  webSearch: at('web-search'),
}
