import CircleCheck from '@lucide/svelte/icons/circle-check'
import Info from '@lucide/svelte/icons/info'
import OctagonX from '@lucide/svelte/icons/octagon-x'
import TriangleAlert from '@lucide/svelte/icons/triangle-alert'

/** Each tone has a shape of its own: the colour only underlines it. */
export const tones = {
  good: { Icon: CircleCheck, text: 'text-good', wash: 'bg-good-wash' },
  note: { Icon: Info, text: 'text-note', wash: 'bg-note-wash' },
  warn: { Icon: TriangleAlert, text: 'text-warn', wash: 'bg-warn-wash' },
  bad: { Icon: OctagonX, text: 'text-bad', wash: 'bg-bad-wash' },
}
export type Tone = keyof typeof tones
