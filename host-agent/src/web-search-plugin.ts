import { fileURLToPath } from 'node:url'

/** Beside the sources, and beside a bundle of them. */
export const webSearchPlugin = fileURLToPath(new URL('../openclaw/web-search', import.meta.url))
