-- AlterTable
ALTER TABLE "assistants" ADD COLUMN     "suspended_reasons" TEXT[] DEFAULT ARRAY[]::TEXT[];

-- AlterTable
ALTER TABLE "host_servers" ADD COLUMN     "disk_free_bytes" BIGINT,
ADD COLUMN     "disk_total_bytes" BIGINT,
ADD COLUMN     "held_orphans" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "orphan_removal_until" TIMESTAMPTZ(3);

-- CreateTable
CREATE TABLE "alerts" (
    "id" UUID NOT NULL DEFAULT uuidv7(),
    "cause" TEXT NOT NULL,
    "detail" TEXT NOT NULL,
    "raised_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "mailed_at" TIMESTAMPTZ(3),
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "alerts_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "alerts_not_mailed" ON "alerts"("raised_at") WHERE (mailed_at IS NULL);

-- CreateIndex
CREATE UNIQUE INDEX "alerts_one_open_per_cause" ON "alerts"("cause") WHERE (ended_at IS NULL);
