-- AlterTable
ALTER TABLE "usage_daily" ADD COLUMN     "heard_seconds" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "inbound_bytes" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "outbound_bytes" BIGINT NOT NULL DEFAULT 0;
