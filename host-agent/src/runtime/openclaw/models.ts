/** What an assistant can be switched to; the ids are those of the control plane's catalogue. */
interface OfferedModel {
  provider: 'anthropic' | 'openai' | 'google'
  id: string
  name: string
  reasoning: boolean
  contextWindow: number
  maxTokens: number
}

const claude = { provider: 'anthropic', reasoning: true, contextWindow: 200_000, maxTokens: 64_000 } as const
const claude5 = {
  provider: 'anthropic',
  reasoning: true,
  contextWindow: 1_000_000,
  maxTokens: 64_000,
} as const
const gpt = { provider: 'openai', reasoning: false, contextWindow: 128_000, maxTokens: 16_384 } as const
const gemini = { provider: 'google', reasoning: false, contextWindow: 1_048_576, maxTokens: 8_192 } as const
const gpt6 = { provider: 'openai', reasoning: true, contextWindow: 400_000, maxTokens: 64_000 } as const
const gemini3 = { provider: 'google', reasoning: true, contextWindow: 1_048_576, maxTokens: 64_000 } as const

/** All of them are in every config, so that a change of model changes one line and needs no restart. */
export const offeredModels: readonly OfferedModel[] = [
  { ...claude, id: 'claude-sonnet-4-5-20250929', name: 'Claude Sonnet 4.5' },
  { ...claude5, id: 'claude-sonnet-5-5', name: 'Claude Sonnet 5.5' },
  { ...claude, id: 'claude-opus-4-5-20251101', name: 'Claude Opus 4.5' },
  { ...claude, id: 'claude-haiku-4-5-20251001', name: 'Claude Haiku 4.5' },
  { ...gpt, id: 'gpt-4o', name: 'GPT-4o' },
  { ...gpt, id: 'gpt-4o-mini', name: 'GPT-4o Mini' },
  { ...gpt6, id: 'gpt-6-luna', name: 'GPT-6 Luna' },
  { ...gemini3, id: 'gemini-3.5-flash', name: 'Gemini 3.5 Flash' },
  { ...gemini3, id: 'gemini-3.1-flash-lite', name: 'Gemini 3.1 Flash Lite' },
  { ...gemini, id: 'gemini-2.0-flash', name: 'Gemini 2.0 Flash' },
  { ...gemini, id: 'gemini-2.0-flash-lite', name: 'Gemini 2.0 Flash Lite' },
]
