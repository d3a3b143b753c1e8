-- CreateIndex
CREATE INDEX CONCURRENTLY IF NOT EXISTS "attachments_to_remove" ON "attachments"("id") WHERE (state = 'EXPIRED' AND key_encrypted IS NOT NULL);
