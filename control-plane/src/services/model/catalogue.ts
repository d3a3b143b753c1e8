import { dayMs } from '../../plan.ts'
import type { KeyProvider } from '../api-key/check-key.ts'

/** One model on offer; the id `provider/name` is a contract with clients and with OpenClaw. */
export interface Model {
  id: string
  provider: KeyProvider
  /** For people. */
  name: string
  default?: true
  /** The day (YYYY-MM-DD) its provider stops serving it; from then on it is not offered. */
  retiredOn?: string
  /** The id its users are moved to. */
  replacedBy?: string
}

export const models: readonly Model[] = [
  // Retired by Anthropic on that day: platform.claude.com/docs/en/about-claude/model-deprecations. Opus 4.5 and Haiku 4.5
  // are older than their successors there, and have no such day yet.
  {
    id: 'anthropic/claude-sonnet-4-5-20250929',
    provider: 'ANTHROPIC',
    name: 'Claude Sonnet 4.5',
    default: true,
    retiredOn: '2026-11-30',
    replacedBy: 'anthropic/claude-sonnet-5-5',
  },
  { id: 'anthropic/claude-sonnet-5-5', provider: 'ANTHROPIC', name: 'Claude Sonnet 5.5' },
  { id: 'anthropic/claude-opus-4-5-20251101', provider: 'ANTHROPIC', name: 'Claude Opus 4.5' },
  { id: 'anthropic/claude-haiku-4-5-20251001', provider: 'ANTHROPIC', name: 'Claude Haiku 4.5' },
  // Shut down by OpenAI on that day: developers.openai.com/api/docs/deprecations.
  {
    id: 'openai/gpt-4o',
    provider: 'OPENAI',
    name: 'GPT-4o',
    retiredOn: '2027-01-14',
    replacedBy: 'openai/gpt-6-luna',
  },
  {
    id: 'openai/gpt-4o-mini',
    provider: 'OPENAI',
    name: 'GPT-4o Mini',
    retiredOn: '2027-01-14',
    replacedBy: 'openai/gpt-6-luna',
  },
  { id: 'openai/gpt-6-luna', provider: 'OPENAI', name: 'GPT-6 Luna' },
  // Shut down by Google: ai.google.dev/gemini-api/docs/deprecations. Their first replacements, 2.5, are gone as well.
  {
    id: 'google/gemini-2.0-flash',
    provider: 'GOOGLE',
    name: 'Gemini 2.0 Flash',
    retiredOn: '2026-06-01',
    replacedBy: 'google/gemini-3.5-flash',
  },
  {
    id: 'google/gemini-2.0-flash-lite',
    provider: 'GOOGLE',
    name: 'Gemini 2.0 Flash Lite',
    retiredOn: '2026-06-01',
    replacedBy: 'google/gemini-3.1-flash-lite',
  },
  { id: 'google/gemini-3.5-flash', provider: 'GOOGLE', name: 'Gemini 3.5 Flash' },
  { id: 'google/gemini-3.1-flash-lite', provider: 'GOOGLE', name: 'Gemini 3.1 Flash Lite' },
]

const isRetired = (model: Model | undefined, nowMs: number) =>
  model?.retiredOn !== undefined && nowMs >= Date.parse(model.retiredOn)

/** The default, as long as it is served. */
export const defaultModel = 'anthropic/claude-sonnet-4-5-20250929'

/** What somebody has who comes at `nowMs` and chooses nothing. */
export const defaultAt = (nowMs: number): string => onOffer(defaultModel, nowMs)

/** The models a person may choose at `nowMs`. */
export function offeredModels(nowMs: number): Model[] {
  const first = defaultAt(nowMs)
  return models
    .filter((model) => !isRetired(model, nowMs))
    .map(({ default: _, ...model }) => (model.id === first ? { ...model, default: true } : model))
}

/** The same model, or what its users are moved to. */
export const onOffer = (id: string, nowMs: number): string => successorOf(id, nowMs)?.id ?? id

function findModel(id: string): Model | undefined {
  return models.find((model) => model.id === id)
}

/** For people; an id that is in no catalogue stands for itself. */
export const nameOf = (id: string): string => findModel(id)?.name ?? id

/** What a retired model's users are moved to at `nowMs`, over as many retirements as it takes; absent = it is offered. */
export function successorOf(id: string, nowMs: number): Model | undefined {
  const model = findModel(id)
  if (!model?.replacedBy || !isRetired(model, nowMs)) return undefined
  return successorOf(model.replacedBy, nowMs) ?? findModel(model.replacedBy)
}

/** The day from which a model's provider serves it no longer, and what its users are moved to then; absent = none is known. */
export function endOf(id: string): { on: string; next: Model } | undefined {
  const on = findModel(id)?.retiredOn
  const next = on === undefined ? undefined : successorOf(id, Date.parse(on))
  return on !== undefined && next ? { on, next } : undefined
}

/** What ends within that is said wherever the model is named. */
const soonMs = 14 * dayMs

/** The same, of a model that is about to end. */
export function soonEndOf(id: string, nowMs: number): ReturnType<typeof endOf> {
  return isRetired(findModel(id), nowMs + soonMs) ? endOf(id) : undefined
}
