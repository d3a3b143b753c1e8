import { formatDay } from '../../mail/format.ts'

/** Where people see and change what our words are about. */
export const pages = {
  google: (webUrl: string) => `${webUrl}/dashboard/integrations`,
  chat: (webUrl: string) => `${webUrl}/dashboard/chat`,
  model: (webUrl: string) => `${webUrl}/dashboard`,
  keys: (webUrl: string) => `${webUrl}/dashboard/keys`,
  usage: (webUrl: string) => `${webUrl}/dashboard/usage`,
  plan: (webUrl: string) => `${webUrl}/dashboard/subscription`,
  assistant: (webUrl: string) => `${webUrl}/dashboard`,
}

/** Where setting up goes on, at whatever step is next. */
const setUp = (webUrl: string) => `${webUrl}/onboarding`
const notConnected = (webUrl: string) =>
  `I don't know this chat yet. Sign up or sign in at ${webUrl} and connect it there; it takes a minute.`

interface ModelEnd {
  /** YYYY-MM-DD. */
  on: string
  next: { name: string }
}
const thenNext = (ends: ModelEnd | undefined) =>
  ends
    ? ` Its provider ends it on ${formatDay(ends.on, 'UTC')}; from then on it will be ${ends.next.name}.`
    : ''

const stoppedMark = '⏹ _Stopped._'
/** What a chat quotes of a stopped answer is the assistant's alone. */
export const withoutStoppedMark = (text: string) => text.replace(/⏹ _?Stopped\._?$/, '').trimEnd()

/** Our own words to people, in one place. Markdown. */
export const texts = {
  unknownSender: (webUrl: string) => `Hello! ${notConnected(webUrl)}`,
  notConnected,
  trialLeft: (webUrl: string) =>
    `One step is left before your assistant answers here: start the trial at ${setUp(webUrl)}.`,
  paymentDue: (webUrl: string) =>
    `A payment is due, and until it is made your assistant does not answer. You can make it at ${pages.plan(webUrl)}.`,
  planEnded: (webUrl: string) =>
    `Your subscription has ended, so your assistant does not answer. You can subscribe again at ${pages.plan(webUrl)}.`,
  noAssistant: (webUrl: string) =>
    `You have no assistant at the moment. Set one up at ${pages.assistant(webUrl)} and write to it here.`,
  beingDeleted: (webUrl: string) =>
    `Your assistant is being deleted. As soon as it is gone, you can set up another one at ${pages.assistant(webUrl)}.`,
  notRunning: (webUrl: string) =>
    `Your assistant does not run at the moment. What you write is kept; you can try to start it again at ${pages.assistant(webUrl)}.`,
  settingUp:
    'Your assistant is being set up. What you write here meanwhile is answered as soon as it is ready.',
  writeHere: 'Write to your assistant right here.',
  dayLimit: (limit: number, wait: string) =>
    `You have reached today's limit of ${limit} messages. You can write again ${wait}.`,
  minuteLimit: (limit: number, wait: string) =>
    `That was more than ${limit} messages in a minute. You can write again ${wait}.`,
  ready: 'Your assistant is ready. Say hello!',
  longWait: 'Your assistant is not available at the moment. Your message is safe and will be answered.',
  suspended:
    'Your assistant is paused at the moment. Your messages are kept, and answered when it runs again.',
  turnFailed: 'Your assistant could not answer this message. Please try again in a while.',
  bound: (standing: string) => `This chat is connected. ${standing}`,
  bindCodeInvalid: (webUrl: string) =>
    `This link has expired or was used before. Get a new one at ${setUp(webUrl)}/channel and open it within 15 minutes.`,
  bindAddressTaken: 'This chat is already connected to another account. Disconnect it there first.',
  optedOut:
    'You wrote STOP on WhatsApp, so nothing is sent to you there any more. Write START there to go on; here you can always write.',
  optedIn: (standing: string) => `Welcome back. ${standing}`,
  creditLow: (webUrl: string) =>
    `Four fifths of your credit is spent. You can top up at ${pages.usage(webUrl)}, or bring a provider key of your own at ${pages.keys(webUrl)}.`,
  creditSpent: (webUrl: string) =>
    `Your credit is spent, so your assistant cannot think any more. Top up at ${pages.usage(webUrl)}, or bring a provider key of your own at ${pages.keys(webUrl)}.`,
  monthCapNear: (webUrl: string) =>
    `Four fifths of the cap you set for this month is spent. You can change it at ${pages.usage(webUrl)}.`,
  monthCapReached: (webUrl: string, until: string) =>
    `The cap you set for this month is reached. Your assistant goes on from ${until}, or as soon as you raise the cap at ${pages.usage(webUrl)} or bring a provider key of your own at ${pages.keys(webUrl)}.`,
  modelRetired: (old: string, next: string) =>
    `${old} is no longer served by its provider, so your assistant now thinks with ${next}. You can choose another model at any time.`,
  keyInvalid: (provider: string, webUrl: string) =>
    `${provider} does not accept your key any more, so it is not used. Bring a new one, or remove it, at ${pages.keys(webUrl)}.`,
  integrationLost: (service: string, webUrl: string) =>
    `Google has ended the connection to ${service}, so your assistant cannot use it any more. You can connect it again at ${pages.google(webUrl)}.`,
  stillWorking: 'Still working on it. You can stop it with /stop.',
  tooManyFiles: (most: number) =>
    `Those were many files at once: I took the first ${most}. Please send me the others again.`,
  stopped: 'Stopped.',
  /** A code block that was cut would take the mark in. */
  stoppedAnswer: (text: string) =>
    `${text}${(text.match(/^ {0,3}```/gm) ?? []).length % 2 === 1 ? '\n```' : ''}\n\n${stoppedMark}`,
  nothingToStop: 'Nothing is running at the moment.',
  freshConversation:
    'This is a fresh conversation. What your assistant has noted about you, and its files, it still has.',
  whichModel: (name: string, ends?: ModelEnd) =>
    `Your assistant thinks with **${name}**.${thenNext(ends)} Which model should it use?`,
  tooManyCommands: 'Those were many commands in a minute. Please wait a moment.',
  wordsNotTaken: (command: string) =>
    `What you wrote behind /${command} did not go to your assistant. To ask it, write without the command.`,
  welcome: (standing: string) => `This chat is connected. ${standing} /help lists what else you can do.`,
  noSuchOption: (count: number) =>
    `There is no such answer to choose. The answers are numbered from 1 to ${count}.`,
  questionNotAsked: 'This button is not for you, or does not work any more.',
  questionAnswered: (label: string) => `You have already chosen ${label}.`,
  whichQuestion: (webUrl: string) =>
    `More than one question was asked here, so a number alone does not say which one you mean. You can answer each in the chat at ${pages.chat(webUrl)}.`,
  forGoodByWord: 'That would hold for good, so please write ALWAYS if you mean it.',
  questionExpired: 'This question has expired. Please ask again.',
  modelChosen: (name: string, ends?: ModelEnd) => `Your assistant now thinks with ${name}.${thenNext(ends)}`,
  // Held back, these two may be read days later: so a moment, no wait.
  proactiveLimit: (limit: number, resetsAt: string) =>
    `Your assistant has sent you ${limit} messages of its own today, and can send the next from ${resetsAt}. It still answers you.`,
  filesInLimit: (megabytes: number, wait: string) =>
    `You have sent ${megabytes} MB of files today, and I take no more in a day. You can send me further files ${wait}; until then you can still write to me.`,
  filesOutLimit: (megabytes: number, resetsAt: string) =>
    `Your assistant has sent you ${megabytes} MB of files today, and can send the next from ${resetsAt}. It still answers you.`,
  listeningLimit: (minutes: number, wait: string) =>
    `I have listened to ${minutes} minutes of you today, and listen to no more in a day. I can listen again ${wait}; until then, please write to me.`,
  heldSummedUp: (count: number, webUrl: string) =>
    count === 1
      ? `While I could not write to you here, your assistant had a message for you that is old by now. You can read it in the chat at ${pages.chat(webUrl)}.`
      : `While I could not write to you here, your assistant had ${count} messages for you that are old by now. You can read them in the chat at ${pages.chat(webUrl)}.`,
  mediaUnsupported:
    'I cannot read that kind of message. I understand text, pictures, voice messages, documents, videos as files, locations, contacts and stickers.',
  voiceUnsupported: 'I cannot listen to voice messages here. Please write to me instead.',
}

/** How long it is until then, as people say it: in 40 seconds, in 3 minutes, in 5 hours. Never too short. */
export function waitUntil(at: Date, nowMs: number): string {
  const format = new Intl.RelativeTimeFormat('en')
  const seconds = Math.max(1, Math.ceil((at.getTime() - nowMs) / 1_000))
  if (seconds < 60) return format.format(seconds, 'second')
  const minutes = Math.ceil(seconds / 60)
  return minutes < 120 ? format.format(minutes, 'minute') : format.format(Math.ceil(minutes / 60), 'hour')
}
