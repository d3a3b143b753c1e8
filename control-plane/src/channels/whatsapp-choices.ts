import type { Button, Payload } from './sender.ts'

/*
 * Buttons on WhatsApp are contents of Twilio's, made once for each shape, whose words are all variables: inside the
 * 24-hour window they need no approval. https://www.twilio.com/docs/content/twilio-quick-reply and …/twiliolist-picker
 */

/** Up to three stand below the words; more, or longer ones, are in a list that opens. */
const shapes = [
  { type: 'twilio/quick-reply', most: 3, longestTitle: 20 },
  { type: 'twilio/list-picker', most: 10, longestTitle: 24 },
] as const
type ShapeType = (typeof shapes)[number]['type']

const longestPrompt = 1024
const longestData = 200
/** What opens a list. */
const listButton = 'Choose'

export interface Shape {
  type: ShapeType
  options: number
}

/** What is sent of a shape's content. */
export interface Choice {
  shape: Shape
  variables: Record<string, string>
}

/**
 * Words with buttons as one part that can be shown either way: `prompt` with `buttons`, or `text`, which says the same
 * with `numbers`. Null where WhatsApp would not take the buttons. A label is cut at its colon when it is too long for a
 * button; then the words above have all of it.
 */
export function withChoices(words: string, numbers: string, buttons: readonly Button[]): Payload | null {
  for (const { most, longestTitle } of shapes) {
    const titled = buttons.map(({ label, data }) => ({ label: titleOf(label, longestTitle), data }))
    const cut = buttons.filter(({ label }, index) => label !== titled[index]?.label)
    const prompt = [words, ...cut.map(({ label }) => `• ${label}`)].join('\n\n')
    const titles = new Set(titled.map(({ label }) => label))
    const isTaken =
      buttons.length <= most &&
      titles.size === buttons.length &&
      prompt.length <= longestPrompt &&
      titled.every(
        ({ label, data }) => label !== '' && label.length <= longestTitle && data.length <= longestData,
      )
    if (isTaken && words.trim() !== '') return { text: words + numbers, prompt, buttons: titled }
  }
  return null
}

const titleOf = (label: string, longest: number) => {
  const colon = label.indexOf(':')
  return label.length > longest && colon > 0 ? label.slice(0, colon).trim() : label.trim()
}

/** How a part's buttons are sent; null for one without. */
export function choiceOf({ prompt, buttons, template }: Payload): Choice | null {
  if (prompt === undefined || template !== undefined || !buttons?.length) return null
  const longest = Math.max(...buttons.map(({ label }) => label.length))
  const shape = shapes.find((one) => buttons.length <= one.most && longest <= one.longestTitle)
  if (!shape) return null
  const values = [prompt, ...buttons.flatMap(({ label, data }) => [label, data])]
  const variables = Object.fromEntries(values.map((value, index) => [String(index + 1), value]))
  return { shape: { type: shape.type, options: buttons.length }, variables }
}

/** What Twilio calls a shape's content: another content needs another name. */
export const nameOf = ({ type, options }: Shape) => `yourclaw_${type.replace(/\W+/g, '_')}_${options}_v1`

/** The content of a shape, as its API takes it. */
export function contentOf(shape: Shape): object {
  const places = Array.from({ length: shape.options }, (_, index) => ({
    words: `{{${2 * index + 2}}}`,
    id: `{{${2 * index + 3}}}`,
  }))
  const body = '{{1}}'
  const types =
    shape.type === 'twilio/quick-reply'
      ? { body, actions: places.map(({ words, id }) => ({ type: 'QUICK_REPLY', title: words, id })) }
      : { body, button: listButton, items: places.map(({ words, id }) => ({ item: words, id })) }
  // Samples; each must be there, and each id another one.
  const samples = Array.from({ length: 2 * shape.options + 1 }, (_, index) => [
    String(index + 1),
    `sample ${index + 1}`,
  ])
  return {
    friendly_name: nameOf(shape),
    language: 'en',
    variables: Object.fromEntries(samples),
    types: { [shape.type]: types },
  }
}
