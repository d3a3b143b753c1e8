-- AlterTable
ALTER TABLE "deliveries" ADD COLUMN     "held_at" TIMESTAMPTZ(3);

-- CreateTable
CREATE TABLE "channel_contacts" (
    "address_hash" TEXT NOT NULL,
    "last_inbound_at" TIMESTAMPTZ(3),
    "window_closed_at" TIMESTAMPTZ(3),
    "opted_out_at" TIMESTAMPTZ(3),

    CONSTRAINT "channel_contacts_pkey" PRIMARY KEY ("address_hash")
);

-- CreateIndex
CREATE INDEX "deliveries_held" ON "deliveries"("channel", "address") WHERE (held_at IS NOT NULL);
