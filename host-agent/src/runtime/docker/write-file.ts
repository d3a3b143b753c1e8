import { readFileSync } from 'node:fs'
import { placeFile } from '../place-file.ts'
import type { Placing } from './placing.ts'
import { takeRights } from './rights.ts'

// Child of the agent that writes one file into a tenant's workspace, with the tenant's rights: whatever the tenant has
// made of its folders, nothing is written that it could not write itself. Where it goes comes on descriptor 3, its
// bytes on the standard input; it ends with 0 when the file is there.

const { rights, owner, workspace, path }: Placing = JSON.parse(readFileSync(3, 'utf8'))
if (rights) takeRights(rights)
await placeFile(workspace, path, process.stdin, owner)
process.exit(0)
