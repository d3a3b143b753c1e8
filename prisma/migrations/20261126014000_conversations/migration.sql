-- AlterTable
ALTER TABLE "assistants" ADD COLUMN     "conversation" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "conversation_since" BIGINT NOT NULL DEFAULT 0;

-- AlterTable
ALTER TABLE "turns" ADD COLUMN     "conversation" INTEGER NOT NULL DEFAULT 0;
