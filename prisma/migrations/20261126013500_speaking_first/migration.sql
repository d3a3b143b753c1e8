-- AlterTable
ALTER TABLE "users" ADD COLUMN     "proactive" BOOLEAN NOT NULL DEFAULT true;

-- AlterTable
ALTER TABLE "messages" ADD COLUMN     "held_until" TIMESTAMPTZ(3);

-- CreateTable
CREATE TABLE "spoken_messages" (
    "host_server_id" UUID NOT NULL,
    "key" TEXT NOT NULL,
    "user_id" UUID NOT NULL,
    "message_id" UUID NOT NULL,
    "turn_id" UUID,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "spoken_messages_pkey" PRIMARY KEY ("host_server_id","key")
);

-- CreateIndex
CREATE UNIQUE INDEX "spoken_messages_message_id_key" ON "spoken_messages"("message_id");

-- CreateIndex
CREATE INDEX "spoken_messages_user_id_created_at_idx" ON "spoken_messages"("user_id", "created_at");

-- CreateIndex
CREATE INDEX "spoken_messages_of_turn" ON "spoken_messages"("turn_id") WHERE (turn_id IS NOT NULL);

-- CreateIndex
CREATE INDEX "spoken_messages_created_at_idx" ON "spoken_messages"("created_at");

-- CreateIndex
CREATE INDEX "messages_held" ON "messages"("held_until") WHERE (held_until IS NOT NULL);

-- AddForeignKey
ALTER TABLE "spoken_messages" ADD CONSTRAINT "spoken_messages_host_server_id_fkey" FOREIGN KEY ("host_server_id") REFERENCES "host_servers"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "spoken_messages" ADD CONSTRAINT "spoken_messages_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "spoken_messages" ADD CONSTRAINT "spoken_messages_message_id_fkey" FOREIGN KEY ("message_id") REFERENCES "messages"("id") ON DELETE CASCADE ON UPDATE CASCADE;
