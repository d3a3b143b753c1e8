-- CreateEnum
CREATE TYPE "AttachmentKind" AS ENUM ('IMAGE', 'AUDIO', 'VIDEO', 'DOCUMENT', 'STICKER');

-- CreateEnum
CREATE TYPE "AttachmentState" AS ENUM ('WAITING', 'STORED', 'FAILED', 'EXPIRED');

-- AlterTable
ALTER TABLE "messages" ADD COLUMN     "chat_message_id" TEXT,
ADD COLUMN     "context" TEXT;

-- CreateTable
CREATE TABLE "attachments" (
    "id" UUID NOT NULL DEFAULT uuidv7(),
    "user_id" UUID NOT NULL,
    "message_id" UUID,
    "position" SMALLINT NOT NULL DEFAULT 0,
    "kind" "AttachmentKind" NOT NULL,
    "name" TEXT NOT NULL DEFAULT '',
    "mime_type" TEXT NOT NULL,
    "size_bytes" BIGINT,
    "state" "AttachmentState" NOT NULL,
    "source" JSONB,
    "key_encrypted" TEXT,
    "transcript" TEXT,
    "code" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "attachments_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "reactions" (
    "id" UUID NOT NULL DEFAULT uuidv7(),
    "user_id" UUID NOT NULL,
    "target" TEXT NOT NULL,
    "text" TEXT NOT NULL,
    "turn_id" UUID,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "reactions_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "attachments_message_id_position_idx" ON "attachments"("message_id", "position");

-- CreateIndex
CREATE INDEX "attachments_user_id_idx" ON "attachments"("user_id");

-- CreateIndex
CREATE INDEX "attachments_kept" ON "attachments"("expires_at") WHERE (state <> 'EXPIRED');

-- CreateIndex
CREATE INDEX "reactions_user_id_idx" ON "reactions"("user_id");

-- CreateIndex
CREATE INDEX "reactions_turn_id_idx" ON "reactions"("turn_id");

-- CreateIndex
CREATE UNIQUE INDEX "reactions_one_waiting_per_message" ON "reactions"("user_id", "target") WHERE (turn_id IS NULL);

-- CreateIndex
CREATE INDEX "messages_in_their_chat" ON "messages"("channel", "address", "chat_message_id") WHERE (chat_message_id IS NOT NULL);

-- AddForeignKey
ALTER TABLE "attachments" ADD CONSTRAINT "attachments_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "attachments" ADD CONSTRAINT "attachments_message_id_fkey" FOREIGN KEY ("message_id") REFERENCES "messages"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "reactions" ADD CONSTRAINT "reactions_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "reactions" ADD CONSTRAINT "reactions_turn_id_fkey" FOREIGN KEY ("turn_id") REFERENCES "turns"("id") ON DELETE CASCADE ON UPDATE CASCADE;
