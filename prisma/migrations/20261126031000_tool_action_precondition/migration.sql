-- AlterTable
ALTER TABLE "tool_actions" ADD COLUMN     "precondition" TEXT;
