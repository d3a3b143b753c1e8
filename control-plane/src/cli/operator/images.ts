import { invalidInput } from '../../errors.ts'
import { listImages } from '../../services/operator/list-images.ts'
import { pinImage } from '../../services/operator/pin-image.ts'
import { rollImage } from '../../services/operator/roll-image.ts'
import type { Command } from './commands.ts'
import { table } from './print.ts'

/** How an operator names what each host runs without being told. */
const byDefault = 'default'
const mostAtOnce = 1_000

export const imageCommands: Command[] = [
  {
    name: 'images list',
    args: [],
    summary: 'The image that new assistants run, and those that others still run.',
    async run({ ctx }) {
      const images = await listImages({ ctx })
      const rows = images.map((one) => [one.isPinned ? 'pinned' : '', one.assistants, one.image ?? byDefault])
      return { result: { images }, text: table(['', 'ASSISTANTS', 'IMAGE'], rows) }
    },
  },
  {
    name: 'images pin',
    args: ['IMAGE'],
    options: '--reason TEXT',
    needs: ['reason'],
    summary: 'Says what new assistants run: name@sha256:…, sha256:…, or default.',
    more: 'A host that lacks name@sha256:… pulls it. Those that are there go on until "images roll".',
    async run({ ctx, actor, args: [image = ''], values: { reason = '' } }) {
      const input = { image: image === byDefault ? null : image, reason, actor }
      const result = await pinImage({ ctx, input })
      return { result, text: result.changed ? 'Pinned.' : 'It was pinned already.' }
    },
  },
  {
    name: 'images roll',
    args: [],
    options: '--count N [--host NAME] [--user USER]',
    needs: ['count'],
    summary: 'Moves assistants that are there to the pinned image, at most N of them.',
    more: 'Begin with one. Each is tried on a copy first, and what does not come up goes on as before.',
    async run({ ctx, actor, values: { count = '', host, user } }) {
      const result = await rollImage({ ctx, input: { count: parseCount(count), host, user, actor } })
      return { result, text: `${result.rolled} on their way; ${result.left} still run another image.` }
    },
  },
]

function parseCount(text: string): number {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (count < 1 || count > mostAtOnce) throw invalidInput(`--count is a number from 1 to ${mostAtOnce}.`)
  return count
}
