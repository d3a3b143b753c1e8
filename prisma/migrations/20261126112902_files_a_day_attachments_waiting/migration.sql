-- CreateIndex
CREATE INDEX CONCURRENTLY IF NOT EXISTS "attachments_waiting" ON "attachments"("message_id") WHERE (state = 'WAITING');
