import { expect, test } from 'vitest'
import { settingsOf } from './deps.ts'
import { readEnv } from './env.ts'

test('development needs no setting at all', () => {
  expect(readEnv({})).toMatchObject({
    PORT: 8000,
    GRPC_PORT: 8443,
    RATE_LIMIT_PER_DAY: 100,
    RATE_LIMIT_PER_MINUTE: 5,
  })
})

test('O4: production names every missing setting at once', () => {
  const start = () => readEnv({ NODE_ENV: 'production', ENCRYPTION_KEYS: 'k1:short' })
  for (const name of [
    'DATABASE_URL',
    'API_URL',
    'ENCRYPTION_KEYS',
    'TELEGRAM_WEBHOOK_SECRET',
    'ANTHROPIC_API_KEY',
    'GOOGLE_CLIENT_ID',
    'GOOGLE_CLIENT_SECRET',
  ]) {
    expect(start).toThrow(name)
  }
})

test('O4: a bad value is named without being shown', () => {
  expect(() => readEnv({ PORT: 'eighty' })).toThrow(/PORT/)
  expect(() => readEnv({ ENCRYPTION_KEYS: 'k1:c2VjcmV0' })).toThrow(/^(?!.*c2VjcmV0)[\s\S]*ENCRYPTION_KEYS/)
})

test('O4: a channel’s settings are missed only when it is on', () => {
  const start = (CHANNELS_ENABLED?: string) => () =>
    readEnv({ NODE_ENV: 'production', ...(CHANNELS_ENABLED === undefined ? {} : { CHANNELS_ENABLED }) })
  expect(start()).toThrow(/TWILIO_AUTH_TOKEN/)
  expect(start('telegram,web')).toThrow(/^(?![\s\S]*TWILIO_)[\s\S]*TELEGRAM_BOT_TOKEN/)
  expect(start('whatsapp')).toThrow(/^(?![\s\S]*TELEGRAM_)[\s\S]*TWILIO_ACCOUNT_SID/)
  expect(start('whatsapp,pigeon')).toThrow(/CHANNELS_ENABLED/)
  expect(() => readEnv({ TWILIO_READY_CONTENT_SID: 'HX1' })).toThrow(/TWILIO_READY_CONTENT_SID/)
})

test('I4: production does not start with a webhook that nobody signs', () => {
  for (const name of ['TELEGRAM_WEBHOOK_SECRET', 'TWILIO_AUTH_TOKEN', 'STRIPE_WEBHOOK_SECRET']) {
    expect(() => readEnv({ NODE_ENV: 'production' })).toThrow(name)
    expect(() => readEnv({ NODE_ENV: 'production', [name]: '' })).toThrow(name)
  }
})

test('I6: in production the web and who signs people in are reached by https alone', () => {
  const start = (settings: Record<string, string>) => () => readEnv({ NODE_ENV: 'production', ...settings })
  expect(start({ WEB_URL: 'http://web.test' })).toThrow(/WEB_URL: must be an https address/)
  expect(start({ GOOGLE_ISSUER: 'http://id.test' })).toThrow(/GOOGLE_ISSUER: must be an https address/)
})

test('an address of ours may end in a slash', () => {
  expect(readEnv({ API_URL: 'https://api.test/' }).API_URL).toBe('https://api.test')
})

test('I5: development conveniences stop a production start', () => {
  expect(() => readEnv({ NODE_ENV: 'production', MOCK_TELEGRAM: '1' })).toThrow(/MOCK_TELEGRAM/)
})

test('links to our chats begin where the settings say, else at Telegram and WhatsApp', () => {
  const linksOf = (given: Record<string, string>) => settingsOf(readEnv(given)).chatUrls
  expect(linksOf({})).toEqual({
    TELEGRAM: 'https://t.me/yourclaw_dev_bot',
    WHATSAPP: 'https://wa.me/15550100',
  })
  const roots = {
    TELEGRAM_LINK_ROOT: 'http://phone.test/t.me',
    WHATSAPP_LINK_ROOT: 'http://phone.test/wa.me',
  }
  expect(linksOf(roots)).toEqual({
    TELEGRAM: 'http://phone.test/t.me/yourclaw_dev_bot',
    WHATSAPP: 'http://phone.test/wa.me/15550100',
  })
})
