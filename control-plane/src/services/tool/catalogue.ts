import { notFound } from '../../errors.ts'
import { calendarTools } from './calendar-tools.ts'
import { driveTools } from './drive-tools.ts'
import { gmailTools } from './gmail-tools.ts'
import type { ActTool, Tool } from './tool.ts'

/** Everything that an assistant can do at Google. */
export const tools: readonly Tool[] = [...calendarTools, ...gmailTools, ...driveTools]

export const findTool = (name: string): Tool | undefined => tools.find((tool) => tool.name === name)

/** Throws unknown_tool (404). */
export function findAct(name: string): ActTool {
  const tool = findTool(name)
  if (tool?.kind !== 'act') throw notFound('There is no such kind of action.', 'unknown_tool')
  return tool
}
