-- AlterTable
ALTER TABLE "user_integrations" ADD COLUMN     "account_subject" TEXT NOT NULL DEFAULT '',
ADD COLUMN     "refresh_lease_until" TIMESTAMPTZ(3);
