import { setgid, setgroups, setuid } from 'node:process'
import { openclawConversation } from '../openclaw/conversation.ts'

// Child of the agent: answers one question about one conversation, and ends. The files are the tenant's, who may have
// made anything of them: they are opened for as long as the agent waits, and with the rights it names.
// Called with: uid and gid, or 0 and 0 to keep the agent's · home · assistant id · exists | end | since · the mark.

const [uid = '', gid = '', home = '', assistantId = '', question = '', mark = ''] = process.argv.slice(2)
if (Number(uid) !== 0) {
  setgroups?.([])
  setgid?.(Number(gid))
  setuid?.(Number(uid))
}
const conversation = openclawConversation(home, assistantId)

function answer(): Promise<unknown> {
  switch (question) {
    case 'exists':
      return conversation.exists()
    case 'end':
      return conversation.end()
    default:
      return conversation.since(mark)
  }
}

process.stdout.write(JSON.stringify(await answer()))
