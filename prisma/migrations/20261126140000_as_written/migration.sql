-- AlterTable
ALTER TABLE "messages" ADD COLUMN     "edited_from" TEXT,
ADD COLUMN     "written" TEXT;
