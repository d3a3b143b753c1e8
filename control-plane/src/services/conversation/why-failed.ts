import { texts } from './texts.ts'

/** What a person is told about a turn without an answer, by the code of its last attempt: what happened, what to do. */
export function whyFailed(code: string, webUrl: string): string {
  const page = `${webUrl}/usage`
  const reasons: Record<string, string> = {
    out_of_credit: `Your credit is not enough for this message. Top up, or bring your own provider key, at ${page}.`,
    month_cap_reached: `The cap you set for this month is reached. Raise it, or bring your own provider key, at ${page}, or wait for the next month.`,
    platform_paused:
      'The service has reached its limit for today. Please try again tomorrow, or bring your own provider key.',
    not_on_shared_key: `This model needs a provider key of your own. Bring one, or choose another model, at ${page}.`,
    no_provider_key: `There is no key for this model’s provider. Bring one, or choose another model, at ${page}.`,
    key_invalid: `The model’s provider does not accept your key. Bring a new one, or remove it, at ${page}.`,
    key_forbidden: `Your key may not use this model. Choose another model, or bring another key, at ${page}.`,
    out_of_quota: `The account of your provider key has no quota left. Add some there, or remove the key at ${page}.`,
    platform_key_refused: 'Our access to this model does not work at the moment. We know, and are on it.',
    model_unavailable: `The provider does not serve this model. Choose another one at ${page}.`,
    rate_limited:
      'The model’s provider takes no more requests at the moment. Please try again in a few minutes.',
    shared_key_busy: 'Many people are asking this model right now. Please try again in a few minutes.',
    provider_down: 'The model’s provider has a problem at the moment. Please try again in a while.',
    provider_unreachable: 'The model’s provider does not answer at the moment. Please try again in a while.',
    provider_stalled: 'The model’s provider fell silent in its answer. Please try again in a while.',
    request_too_large: 'This conversation has become too large for the model. Please send less at once.',
  }
  return reasons[code] ?? texts.turnFailed
}
