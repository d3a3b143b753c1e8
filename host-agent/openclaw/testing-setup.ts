import { ensureOpenclaw } from './install.ts'

/** vitest globalSetup: whoever needs OpenClaw finds it, instead of waiting for whoever of its neighbours installs it. */
export default async function setup(): Promise<void> {
  try {
    await ensureOpenclaw({ progress: (line) => console.log(line) })
  } catch (error) {
    // The tests that need it say so themselves.
    console.warn(`OpenClaw could not be installed: ${String(error)}`)
  }
}
