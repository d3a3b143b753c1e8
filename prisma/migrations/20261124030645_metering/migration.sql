-- AlterEnum
ALTER TYPE "LlmProvider" ADD VALUE 'BRAVE';

-- DropIndex
DROP INDEX "usage_events_user_id_created_at_idx";

-- AlterTable
ALTER TABLE "usage_events" ADD COLUMN     "cache_write_tokens" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "called_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "reasoning_tokens" BIGINT NOT NULL DEFAULT 0;

-- AlterTable
ALTER TABLE "users" ADD COLUMN     "monthly_cap_micros" BIGINT;

-- CreateIndex
CREATE INDEX "usage_events_user_id_called_at_idx" ON "usage_events"("user_id", "called_at");

-- CreateIndex
CREATE INDEX "usage_events_called_at_idx" ON "usage_events"("called_at");
