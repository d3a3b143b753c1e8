-- CreateEnum
CREATE TYPE "ExportStatus" AS ENUM ('PENDING', 'RUNNING', 'READY', 'FAILED', 'EXPIRED');

-- CreateEnum
CREATE TYPE "OperationKind" AS ENUM ('ARCHIVE');

-- CreateEnum
CREATE TYPE "OperationState" AS ENUM ('PENDING', 'RUNNING', 'DONE', 'FAILED');

-- AlterTable
ALTER TABLE "bind_codes" ADD COLUMN     "refused_at" TIMESTAMPTZ(3);

-- CreateTable
CREATE TABLE "exports" (
    "id" UUID NOT NULL DEFAULT uuidv7(),
    "user_id" UUID NOT NULL,
    "status" "ExportStatus" NOT NULL DEFAULT 'PENDING',
    "step" TEXT NOT NULL DEFAULT 'queued',
    "percent" SMALLINT NOT NULL DEFAULT 0,
    "key_encrypted" TEXT NOT NULL,
    "size_bytes" BIGINT,
    "error_code" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "finished_at" TIMESTAMPTZ(3),
    "expires_at" TIMESTAMPTZ(3),

    CONSTRAINT "exports_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "host_operations" (
    "id" UUID NOT NULL DEFAULT uuidv7(),
    "kind" "OperationKind" NOT NULL,
    "assistant_id" UUID NOT NULL,
    "host_server_id" UUID NOT NULL,
    "state" "OperationState" NOT NULL DEFAULT 'PENDING',
    "session_epoch" BIGINT,
    "deadline_at" TIMESTAMPTZ(3) NOT NULL,
    "key_encrypted" TEXT NOT NULL,
    "size_bytes" BIGINT,
    "error_code" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "host_operations_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "exports_user_id_created_at_idx" ON "exports"("user_id", "created_at");

-- CreateIndex
CREATE INDEX "exports_expires_at_idx" ON "exports"("expires_at");

-- CreateIndex
CREATE UNIQUE INDEX "exports_one_at_a_time" ON "exports"("user_id") WHERE (finished_at IS NULL);

-- CreateIndex
CREATE INDEX "host_operations_open" ON "host_operations"("host_server_id") WHERE (finished_at IS NULL);

-- CreateIndex
CREATE INDEX "host_operations_assistant_id_idx" ON "host_operations"("assistant_id");

-- AddForeignKey
ALTER TABLE "exports" ADD CONSTRAINT "exports_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "host_operations" ADD CONSTRAINT "host_operations_assistant_id_fkey" FOREIGN KEY ("assistant_id") REFERENCES "assistants"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "host_operations" ADD CONSTRAINT "host_operations_host_server_id_fkey" FOREIGN KEY ("host_server_id") REFERENCES "host_servers"("id") ON DELETE CASCADE ON UPDATE CASCADE;
