/** Short names for what the API answers. Types alone: pages may import them. */
import type { components } from './schema.ts'

type Schemas = components['schemas']
export type Assistant = Schemas['Assistant']
export type Profile = Schemas['Profile']
export type Usage = Schemas['Usage']
export type Credits = Schemas['Credits']
export type Model = Schemas['Model']
export type Export = Schemas['Export']
export type Subscription = Schemas['Subscription']
export type Message = Schemas['Message']
export type FoundMessage = Schemas['FoundMessage']
export type Attachment = Schemas['Attachment']
