import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** The browser that the tests drive; Debian's package `chromium`, which tools/ci/chromium.sh installs. */
export const chromiumPath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium'
export const webFolder = fileURLToPath(new URL('../../../web', import.meta.url))

/** Builds the web once for all browser tests. */
export default async function build(): Promise<void> {
  if (!existsSync(chromiumPath)) return
  const vite = fileURLToPath(new URL('../../../web/node_modules/vite/bin/vite.js', import.meta.url))
  await promisify(execFile)(process.execPath, [vite, 'build', '--logLevel', 'error'], {
    cwd: webFolder,
    maxBuffer: 16 * 1024 * 1024,
  })
}
