-- AlterTable
ALTER TABLE "deliveries" ADD COLUMN     "failures" INTEGER NOT NULL DEFAULT 0;
