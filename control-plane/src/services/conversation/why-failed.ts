import { pages, texts } from './texts.ts'

/** What a person is told about a turn without an answer, by the code of its last attempt: what happened, what to do. */
export function whyFailed(code: string, webUrl: string): string {
  const [keys, usage, model] = [pages.keys(webUrl), pages.usage(webUrl), pages.model(webUrl)]
  const reasons: Record<string, string> = {
    out_of_credit: `Your credit is not enough for this message. Top up at ${usage}, or bring a provider key of your own at ${keys}.`,
    month_cap_reached: `The cap you set for this month is reached. Raise it at ${usage}, bring a provider key of your own at ${keys}, or wait for the next month.`,
    platform_paused: `The service has reached its limit for today. Please try again tomorrow, or bring a provider key of your own at ${keys}.`,
    not_on_shared_key: `This model needs a provider key of your own. Bring one at ${keys}, or choose another model at ${model}.`,
    no_provider_key: `There is no key for this model’s provider. Bring one at ${keys}, or choose another model at ${model}.`,
    key_invalid: `The model’s provider does not accept your key. Bring a new one, or remove it, at ${keys}.`,
    key_forbidden: `Your key may not use this model. Choose another model at ${model}, or bring another key at ${keys}.`,
    out_of_quota: `The account of your provider key has no quota left. Add some there, or remove the key at ${keys}.`,
    platform_key_refused: 'Our access to this model does not work at the moment. We know, and are on it.',
    model_unavailable: `The provider does not serve this model. Choose another one at ${model}.`,
    rate_limited:
      'The model’s provider takes no more requests at the moment. Please try again in a few minutes.',
    shared_key_busy: 'Many people are asking this model right now. Please try again in a few minutes.',
    provider_down: 'The model’s provider has a problem at the moment. Please try again in a while.',
    provider_unreachable: 'The model’s provider does not answer at the moment. Please try again in a while.',
    provider_stalled: 'The model’s provider fell silent in its answer. Please try again in a while.',
    too_many_calls: 'Your assistant asks the model too much at once. Please try again in a minute.',
    request_too_large: 'This conversation has become too large for the model. Please send less at once.',
  }
  return reasons[code] ?? texts.turnFailed
}
