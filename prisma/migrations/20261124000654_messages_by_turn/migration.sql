-- CreateIndex
CREATE INDEX "messages_turn_id_idx" ON "messages"("turn_id");
