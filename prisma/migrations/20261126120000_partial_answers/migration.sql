-- AlterTable
ALTER TABLE "turns" ADD COLUMN     "partial_text" TEXT;
