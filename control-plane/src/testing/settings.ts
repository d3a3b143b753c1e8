import type { Settings } from '../context.ts'

/** For tests: everything on, nothing that exists. */
export const testSettings: Settings = {
  webUrl: 'https://web.test',
  rateLimitPerDay: 100,
  rateLimitPerMinute: 50,
  telegramBotUsername: 'test_bot',
  chatUrls: { TELEGRAM: 'https://t.me/test_bot', WHATSAPP: 'https://wa.me/15550100' },
  channels: ['TELEGRAM', 'WHATSAPP', 'WEB'],
  whatsapp: { readyContentSid: 'HXready', inviteContentSid: 'HXinvite' },
  transcribes: true,
  operatorEmails: ['operator@example.com'],
  sharedProviders: ['ANTHROPIC', 'OPENAI', 'GOOGLE'],
  platformDailyCapMicros: null,
  googleIntegrations: true,
}
