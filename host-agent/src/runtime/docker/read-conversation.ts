import { createInterface } from 'node:readline'
import { openclawConversation } from '../openclaw/conversation.ts'
import type { Conversation } from '../runtime.ts'
import type { Place, Question } from './reader.ts'
import { takeRights } from './rights.ts'

// Child of the agent that reads one assistant's conversation. The files are the tenant's, who may have made anything of
// them: they are opened with the rights that the agent names, for as long as it waits. A line of JSON says which
// conversation, then each line is a question and each line of output its answer; the end of input is the end.

function open({ rights, home, sessionKey }: Place): Conversation {
  if (rights) takeRights(rights)
  return openclawConversation(home, sessionKey)
}

function answer(conversation: Conversation, { verb, mark }: Question): Promise<unknown> {
  switch (verb) {
    case 'exists':
      return conversation.exists()
    case 'end':
      return conversation.end()
    case 'since':
      return conversation.since(mark)
  }
}

let conversation: Conversation | undefined
for await (const line of createInterface({ input: process.stdin })) {
  if (conversation) process.stdout.write(`${JSON.stringify(await answer(conversation, JSON.parse(line)))}\n`)
  else conversation = open(JSON.parse(line))
}
