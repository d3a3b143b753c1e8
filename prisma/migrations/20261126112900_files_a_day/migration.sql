-- AlterTable
ALTER TABLE "usage_daily" ADD COLUMN     "heard_seconds" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "inbound_bytes" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "outbound_bytes" BIGINT NOT NULL DEFAULT 0;

-- CreateIndex
CREATE INDEX "attachments_to_remove" ON "attachments"("id") WHERE (state = 'EXPIRED' AND key_encrypted IS NOT NULL);

-- CreateIndex
CREATE INDEX "attachments_waiting" ON "attachments"("message_id") WHERE (state = 'WAITING');
