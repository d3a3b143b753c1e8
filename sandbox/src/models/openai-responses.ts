import type { Handler } from 'hono'
import { z } from 'zod'
import type { Env } from '../faults.ts'
import { type Answer, type Brain, pieces } from './brain.ts'
import { bearerOf, content, eventStream, lastUserText, readBody, type ServerSentEvent } from './http.ts'

const item = z.looseObject({
  type: z.string().optional(),
  role: z.string().optional(),
  content: content.optional(),
})
const responsesInput = z.looseObject({
  model: z.string(),
  stream: z.boolean().nullish(),
  input: z.union([z.string(), z.array(item).min(1)]),
})

const serverError = {
  event: 'error',
  data: { type: 'error', code: 'server_error', message: 'The server had an error', param: null },
}

/** https://platform.openai.com/docs/api-reference/responses */
export function responses(brain: Brain): Handler<Env> {
  return async (c) => {
    const { body, input } = await readBody(c, responsesInput)
    const items = typeof input.input === 'string' ? [{ role: 'user', content: input.input }] : input.input
    const asked = items.findLastIndex(
      (entry) => entry.role === 'user' && lastUserText([entry.content]) !== '',
    )
    const spoken = items.filter((entry) => entry.role === 'user')
    const answer = await brain.answer(
      {
        provider: 'openai',
        model: input.model,
        path: c.req.path,
        key: bearerOf(c),
        body,
        lastUserText: lastUserText(spoken.map((entry) => entry.content)),
        afterTools: items
          .slice(asked)
          .some((entry) => 'type' in entry && entry.type === 'function_call_output'),
      },
      c.req.raw.signal,
    )
    const response = toResponse(answer, input.model)
    return input.stream ? eventStream(toEvents(response), answer, serverError) : c.json(response)
  }
}

function toResponse(answer: Answer, model: string) {
  const { inputTokens, outputTokens } = answer.usage
  const text = { type: 'output_text' as const, text: answer.text, annotations: [], logprobs: [] }
  const message = {
    type: 'message' as const,
    id: `msg_${answer.id}`,
    status: 'completed',
    role: 'assistant',
    content: [text],
  }
  const calls = answer.toolCalls.map((call) => ({
    type: 'function_call' as const,
    id: `fc_${call.id}`,
    call_id: call.id,
    status: 'completed',
    name: call.name,
    arguments: JSON.stringify(call.arguments),
  }))
  return {
    id: `resp_${answer.id}`,
    object: 'response',
    created_at: Math.floor(Date.now() / 1000),
    status: 'completed',
    error: null,
    incomplete_details: null,
    instructions: null,
    metadata: {},
    model,
    output: calls.length > 0 ? calls : [message],
    parallel_tool_calls: true,
    temperature: 1,
    tool_choice: 'auto',
    tools: [],
    top_p: 1,
    usage: {
      input_tokens: inputTokens,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: outputTokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: inputTokens + outputTokens,
    },
  }
}

type Response = ReturnType<typeof toResponse>
type Event = { type: string; [field: string]: unknown }

function toEvents(response: Response): ServerSentEvent[] {
  const started = { ...response, status: 'in_progress', output: [], usage: null }
  const events: Event[] = [
    { type: 'response.created', response: started },
    { type: 'response.in_progress', response: started },
    ...response.output.flatMap(itemEvents),
    { type: 'response.completed', response },
  ]
  return events.map((event, sequence) => ({
    event: event.type,
    data: { ...event, sequence_number: sequence },
  }))
}

function itemEvents(output: Response['output'][number], index: number): Event[] {
  const at = { item_id: output.id, output_index: index }
  const done = { type: 'response.output_item.done', output_index: index, item: output }
  if (output.type === 'function_call') {
    const item = { ...output, status: 'in_progress', arguments: '' }
    return [
      { type: 'response.output_item.added', output_index: index, item },
      { type: 'response.function_call_arguments.delta', ...at, delta: output.arguments },
      {
        type: 'response.function_call_arguments.done',
        ...at,
        name: output.name,
        arguments: output.arguments,
      },
      done,
    ]
  }
  const item = { ...output, status: 'in_progress', content: [] }
  return [
    { type: 'response.output_item.added', output_index: index, item },
    ...output.content.flatMap((part, contentIndex): Event[] => {
      const inPart = { ...at, content_index: contentIndex }
      return [
        { type: 'response.content_part.added', ...inPart, part: { ...part, text: '' } },
        ...pieces(part.text).map((delta) => ({
          type: 'response.output_text.delta',
          ...inPart,
          delta,
          logprobs: [],
        })),
        { type: 'response.output_text.done', ...inPart, text: part.text, logprobs: [] },
        { type: 'response.content_part.done', ...inPart, part },
      ]
    }),
    done,
  ]
}
