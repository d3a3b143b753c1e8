/**
 * What a person pays, gets and can rely on: the one source for the API, pages, mails and terms (B7). Changing a number
 * here changes it everywhere; only Stripe keeps its own price (STRIPE_PRICE_ID), and the start compares the two.
 */
export const plan = {
  /** A month. */
  priceCents: 2_000,
  currency: 'usd',
  /** Stripe counts trials in days: a `trial_end` computed here would race with its minimum of 48 hours. */
  trialDays: 2,
  /** Granted once a person, with the first subscription: $10 of model use in micro-dollars. */
  welcomeCreditMicros: 10_000_000,
  /** Unpaid this long, the assistant still answers. */
  graceDays: 7,
  /** A suspended assistant's memory and files are kept this long. */
  retentionDays: 30,
  /** Deletion is announced by mail this long before, beside the date in the mail of the suspension. */
  deletionNoticeDays: 7,
  /** The file of an export can be fetched this long. */
  exportDays: 7,
  /** What could not be sent, and the marks by which nothing is done twice, are kept this long. */
  leftoverDays: 90,
  /** Files that go with messages are kept by us this long; what reached an assistant's workspace stays there. */
  fileDays: 30,
  /** A link to such a file works this long. */
  fileLinkDays: 7,
  /** Defaults of RATE_LIMIT_PER_DAY and RATE_LIMIT_PER_MINUTE. */
  messagesPerDay: 100,
  messagesPerMinute: 5,
  /** What an assistant may say by itself in a day, answers not counted. */
  proactivePerDay: 20,
  /** Files of a person's own day: what they send, and what their assistant sends them. A megabyte is 2 ** 20 bytes. */
  fileMegabytesInPerDay: 500,
  fileMegabytesOutPerDay: 500,
  /** So much of what a person says is written down in their day; docs/adr/0066 says what it costs. */
  listenedMinutesPerDay: 30,
} as const

export const dayMs = 86_400_000
