import { calcPrice } from '@pydantic/genai-prices'

const tokens = 1_000
const perMillion = 1_000_000 / tokens

/** What a model costs, in micro-dollars per million tokens of a short call; undefined when no price is known. */
export function listPrice(id: string, at: Date): { inputMicros: number; outputMicros: number } | undefined {
  const [providerId = '', name = ''] = id.split('/')
  const usage = { input_tokens: tokens, output_tokens: tokens }
  const price = calcPrice(usage, name, { providerId, timestamp: at })
  if (!price) return undefined
  const micros = (dollars: number) => Math.round(dollars * perMillion * 1_000_000)
  return { inputMicros: micros(price.input_price), outputMicros: micros(price.output_price) }
}
