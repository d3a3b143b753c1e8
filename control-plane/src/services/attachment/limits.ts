export const mebibyte = 1024 * 1024

/** The largest files, in bytes. What a channel takes is said where it sends (channels/). */
export const fileLimits = {
  /** What a person sends: Telegram hands bots no more (https://core.telegram.org/bots/api#getfile). */
  inbound: 20 * mebibyte,
  /** What is listened to, for the memory that it takes; how long it may be, plan.ts says. */
  transcribed: 5 * mebibyte,
  /** What an assistant sends. */
  outbound: 100 * mebibyte,
} as const

/** Files of one message. */
export const maxFiles = 10

/** Files of one turn, which may answer many messages: what lies beyond is not taken. */
export const maxTurnFiles = 20

/** Uploads of a person that no message took yet. */
export const maxWaitingUploads = 20

/** Pictures that one turn shows to the model (OpenClaw takes eight); the others are in the workspace. */
export const maxPictures = 8
