import { expect, onTestFinished, test } from 'vitest'
import { startRegistry } from '../../testing/registry.ts'
import { imageWith, lacksDocker, run, startDocker } from './testing.ts'

test.skipIf(await lacksDocker())(
  'S9, F5: an image that a host lacks is pulled by its digest; one that cannot be had is a coded error and changes nothing',
  async () => {
    const { docker, agent, newSpec } = await startDocker()
    const registry = await startRegistry()
    onTestFinished(registry.close)
    const name = `${registry.address}/claw`
    await run('docker', 'tag', await imageWith({ MIGRATE: 'pulled' }), `${name}:1`)
    await run('docker', 'push', '--quiet', `${name}:1`)
    const { RepoDigests } = await docker.getImage(`${name}:1`).inspect()
    const image = RepoDigests.find((digest) => digest.startsWith(name)) ?? ''
    expect(image).toMatch(/@sha256:[0-9a-f]{64}$/)
    // The last name under which the registry knows it: its digest goes with it.
    await run('docker', 'rmi', `${name}:1`)
    onTestFinished(async () => void (await run('docker', 'rmi', '--force', image)))
    await expect(docker.getImage(image).inspect()).rejects.toMatchObject({ statusCode: 404 })

    const { runtime } = await agent()
    const spec = newSpec()
    const { containerId } = await runtime.start(spec)
    const unknown = { ...spec, generation: 2, image: `${name}@sha256:${'0'.repeat(64)}` }
    expect(await runtime.start(unknown)).toMatchObject({ containerId, refused: { code: 'image_missing' } })
    // Two that want it at once pull it once; a tag is never pulled, since it may name another one tomorrow.
    const [updated] = await Promise.all([
      runtime.start({ ...spec, generation: 3, image }),
      runtime.start(newSpec({ image })),
    ])
    expect(updated.refused).toBeUndefined()
    expect((await docker.getContainer(updated.containerId).inspect()).Config.Image).toBe(image)
    await expect(runtime.start(newSpec({ image: `${name}:1` }))).rejects.toMatchObject({
      code: 'image_missing',
    })

    registry.close()
    const away = { ...unknown, generation: 4, image: `${name}@sha256:${'1'.repeat(64)}` }
    expect(await runtime.start(away)).toMatchObject({
      containerId: updated.containerId,
      refused: { code: 'image_unavailable' },
    })
    await expect(runtime.start(newSpec({ image: away.image }))).rejects.toMatchObject({
      code: 'image_unavailable',
      retryable: true,
    })
  },
)
