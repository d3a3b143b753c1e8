import { defineConfig } from 'prisma/config'

// The CLI would first download a native schema engine that `generate` never runs.
process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= process.execPath

export default defineConfig({ schema: 'schema.prisma' })
