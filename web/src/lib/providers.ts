import type { Model } from '#lib/server/api/views.ts'

/** The companies that run models: what people call them, and where their keys are made. */
export const providerNames: Record<Model['provider'], string> = {
  ANTHROPIC: 'Anthropic',
  OPENAI: 'OpenAI',
  GOOGLE: 'Google',
}
export const keyPages: Record<Model['provider'], string> = {
  ANTHROPIC: 'https://console.anthropic.com/settings/keys',
  OPENAI: 'https://platform.openai.com/api-keys',
  GOOGLE: 'https://aistudio.google.com/apikey',
}
export const providers = ['ANTHROPIC', 'OPENAI', 'GOOGLE'] as const
