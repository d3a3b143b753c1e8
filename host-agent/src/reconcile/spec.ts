import { type AssistantSpec, Presence } from '@yourclaw/proto/host/v1'
import { isPlainId } from '../runtime/runtime.ts'

/** What makes a spec one that nothing can be made of, in words for people; undefined for a good one. */
export function faultOf(spec: AssistantSpec): string | undefined {
  if (!isPlainId(spec.assistantId)) return 'The assistant id is not a plain id.'
  if (!isPlainId(spec.userId)) return 'The user id is not a plain id.'
  switch (spec.presence) {
    case Presence.PRESENCE_SUSPENDED:
    case Presence.PRESENCE_ABSENT:
      return undefined
    case Presence.PRESENCE_RUNNING:
      if (!/^[^/\s]+\/\S+$/.test(spec.model)) return 'The model is not provider/name.'
      if (spec.gatewayToken === '' || spec.virtualKey === '')
        return 'The gateway token or the virtual key is missing.'
      return undefined
    default:
      return 'This agent does not know that presence.'
  }
}
