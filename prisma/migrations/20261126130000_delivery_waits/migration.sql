-- AlterTable
ALTER TABLE "deliveries" ADD COLUMN     "waits" INTEGER NOT NULL DEFAULT 0;
