-- AlterEnum
ALTER TYPE "ChangeKind" ADD VALUE 'LIMITS';
ALTER TYPE "ChangeKind" ADD VALUE 'IMAGE';

-- AlterTable
ALTER TABLE "assistants" ADD COLUMN     "cpu_millis" INTEGER,
ADD COLUMN     "image" TEXT,
ADD COLUMN     "log_mb" INTEGER,
ADD COLUMN     "memory_mb" INTEGER,
ADD COLUMN     "pids" INTEGER;

-- CreateTable
CREATE TABLE "assistant_images" (
    "id" SERIAL NOT NULL,
    "image" TEXT,
    "pinned_by" TEXT NOT NULL,
    "pinned_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "assistant_images_pkey" PRIMARY KEY ("id")
);

-- A running container takes no nonsense, whoever writes here.
ALTER TABLE "assistants" ADD CONSTRAINT "assistants_limits_are_positive"
    CHECK (memory_mb > 0 AND cpu_millis > 0 AND pids > 0 AND log_mb > 0);
