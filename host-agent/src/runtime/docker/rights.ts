import { setgid, setgroups, setuid } from 'node:process'

/** With whose rights a child of the agent touches a tenant's files. */
export interface Rights {
  uid: number
  gid: number
  /** Beside `gid`. */
  groups?: number[]
}

/** For good: called once, by the child itself. */
export function takeRights({ uid, gid, groups = [] }: Rights): void {
  setgroups?.(groups)
  setgid?.(gid)
  // By way of root, where we may: going from root to a user is what takes capabilities away (capabilities(7)), and
  // an agent that is not root hands its own on to its children.
  if (process.getuid?.() !== uid) setuid?.(0)
  setuid?.(uid)
}
