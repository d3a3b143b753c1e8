-- AlterTable
ALTER TABLE "channel_contacts" ADD COLUMN     "paced_until" TIMESTAMPTZ(3);
