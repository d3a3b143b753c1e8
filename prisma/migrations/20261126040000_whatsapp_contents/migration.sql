-- CreateTable
CREATE TABLE "whatsapp_contents" (
    "account_sid" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "sid" TEXT,
    "not_before" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "whatsapp_contents_pkey" PRIMARY KEY ("account_sid","name")
);
