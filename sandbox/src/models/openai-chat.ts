import type { Handler } from 'hono'
import { z } from 'zod'
import type { Env } from '../faults.ts'
import { type Answer, type Brain, pieces } from './brain.ts'
import { bearerOf, content, eventStream, lastUserText, readBody, type ServerSentEvent } from './http.ts'

const chatInput = z.looseObject({
  model: z.string(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().optional() }).nullish(),
  messages: z.array(z.looseObject({ role: z.string(), content: content.optional() })).min(1),
})

/** https://platform.openai.com/docs/api-reference/chat */
export function chatCompletions(brain: Brain): Handler<Env> {
  return async (c) => {
    const { body, input } = await readBody(c, chatInput)
    const spoken = input.messages.filter((message) => message.role === 'user')
    const answer = await brain.answer(
      {
        provider: 'openai',
        model: input.model,
        path: c.req.path,
        key: bearerOf(c),
        body,
        lastUserText: lastUserText(spoken.map((message) => message.content)),
        afterTools: input.messages.at(-1)?.role === 'tool',
      },
      c.req.raw.signal,
    )
    if (input.stream)
      return eventStream(
        toChunks(answer, input.model, input.stream_options?.include_usage ?? false),
        answer,
        {
          data: {
            error: { message: 'The server had an error', type: 'server_error', param: null, code: null },
          },
        },
      )
    const calls = toolCalls(answer)
    return c.json({
      ...envelope(answer, input.model, 'chat.completion'),
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: calls ? null : answer.text,
            refusal: null,
            ...(calls ? { tool_calls: calls } : {}),
          },
          logprobs: null,
          finish_reason: calls ? 'tool_calls' : 'stop',
        },
      ],
      usage: usage(answer),
    })
  }
}

function toChunks(answer: Answer, model: string, includeUsage: boolean): ServerSentEvent[] {
  const base = envelope(answer, model, 'chat.completion.chunk')
  const calls = toolCalls(answer)
  const chunk = (delta: object, finish: string | null) => ({
    ...base,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    ...(includeUsage ? { usage: null } : {}),
  })
  const chunks: object[] = [
    chunk({ role: 'assistant', content: calls ? null : '' }, null),
    ...pieces(answer.text).map((text) => chunk({ content: text }, null)),
    ...(calls ?? []).map((call, index) => chunk({ tool_calls: [{ index, ...call }] }, null)),
    chunk({}, calls ? 'tool_calls' : 'stop'),
    ...(includeUsage ? [{ ...base, choices: [], usage: usage(answer) }] : []),
  ]
  return [...chunks.map((data) => ({ data })), { data: '[DONE]' }]
}

function envelope(answer: Answer, model: string, object: string) {
  return { id: `chatcmpl-${answer.id}`, object, created: Math.floor(Date.now() / 1000), model }
}

function toolCalls(answer: Answer) {
  if (answer.toolCalls.length === 0) return undefined
  return answer.toolCalls.map((call) => ({
    id: call.id,
    type: 'function',
    function: { name: call.name, arguments: JSON.stringify(call.arguments) },
  }))
}

function usage({ usage: { inputTokens, outputTokens } }: Answer) {
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0 },
  }
}
