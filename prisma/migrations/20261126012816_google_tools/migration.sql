-- CreateEnum
CREATE TYPE "ToolActionState" AS ENUM ('ASKED', 'APPROVED', 'DONE', 'FAILED', 'REFUSED', 'EXPIRED');

-- AlterEnum
ALTER TYPE "ChangeKind" ADD VALUE 'TOOLS';

-- AlterTable
ALTER TABLE "user_integrations" ADD COLUMN     "account_email" TEXT NOT NULL DEFAULT '',
ADD COLUMN     "disconnect_requested_at" TIMESTAMPTZ(3),
ADD COLUMN     "lost_at" TIMESTAMPTZ(3);

-- CreateTable
CREATE TABLE "tool_actions" (
    "id" UUID NOT NULL DEFAULT uuidv7(),
    "user_id" UUID NOT NULL,
    "tool" TEXT NOT NULL,
    "input" JSONB NOT NULL,
    "summary" TEXT NOT NULL,
    "state" "ToolActionState" NOT NULL DEFAULT 'ASKED',
    "reference" TEXT,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "not_before" TIMESTAMPTZ(3),
    "outcome" TEXT,
    "error_code" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "decided_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "tool_actions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "tool_permissions" (
    "user_id" UUID NOT NULL,
    "tool" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "tool_permissions_pkey" PRIMARY KEY ("user_id","tool")
);

-- CreateIndex
CREATE INDEX "tool_actions_user_id_created_at_idx" ON "tool_actions"("user_id", "created_at");

-- CreateIndex
CREATE INDEX "tool_actions_open" ON "tool_actions"("state", "created_at") WHERE (finished_at IS NULL);

-- CreateIndex
CREATE INDEX "user_integrations_disconnecting" ON "user_integrations"("disconnect_requested_at") WHERE (disconnect_requested_at IS NOT NULL);

-- AddForeignKey
ALTER TABLE "tool_actions" ADD CONSTRAINT "tool_actions_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "tool_permissions" ADD CONSTRAINT "tool_permissions_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;
