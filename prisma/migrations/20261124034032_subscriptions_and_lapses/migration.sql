-- AlterTable
ALTER TABLE "subscriptions" ADD COLUMN     "is_first" BOOLEAN NOT NULL DEFAULT false;

-- CreateTable
CREATE TABLE "lapses" (
    "user_id" UUID NOT NULL,
    "since" TIMESTAMPTZ(3) NOT NULL,
    "delete_after" TIMESTAMPTZ(3) NOT NULL,
    "announced_at" TIMESTAMPTZ(3),

    CONSTRAINT "lapses_pkey" PRIMARY KEY ("user_id")
);

-- AddForeignKey
ALTER TABLE "lapses" ADD CONSTRAINT "lapses_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;
