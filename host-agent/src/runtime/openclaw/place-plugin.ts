import { chmod, chown, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Puts a plugin into a folder that the agent owns and an assistant may only read: it goes with the config that names it,
 * whichever image reads both. OpenClaw takes plugins of its own user and of root alone.
 */
export async function placePlugin(plugin: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await chmod(folder, 0o755)
  await chown(folder, 0, 0)
  const names = (await readdir(plugin)).filter((name) => !/\.(d|test)\.ts$/.test(name))
  for (const name of names) {
    const path = join(folder, name)
    const wanted = await readFile(join(plugin, name), 'utf8')
    if ((await readFile(path, 'utf8').catch(() => '')) === wanted) continue
    await writeFile(`${path}.new`, wanted)
    await chmod(`${path}.new`, 0o644)
    await chown(`${path}.new`, 0, 0)
    await rename(`${path}.new`, path)
  }
}
