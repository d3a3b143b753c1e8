-- No semicolon inside comments or function bodies: the migration runner splits scripts at each one.

-- CreateEnum
CREATE TYPE "Channel" AS ENUM ('WHATSAPP', 'TELEGRAM', 'WEB');

-- CreateEnum
CREATE TYPE "AssistantStatus" AS ENUM ('NONE', 'PROVISIONING', 'READY', 'ERROR');

-- CreateEnum
CREATE TYPE "DesiredPresence" AS ENUM ('PRESENT', 'ABSENT');

-- CreateEnum
CREATE TYPE "ChangeKind" AS ENUM ('CREATE', 'MODEL', 'KEYS', 'RESTART', 'RETRY', 'SUSPEND', 'RESUME', 'DELETE', 'MOVE');

-- CreateEnum
CREATE TYPE "JobStatus" AS ENUM ('PENDING', 'RUNNING', 'COMPLETED', 'FAILED');

-- CreateEnum
CREATE TYPE "HostState" AS ENUM ('ACTIVE', 'CORDONED', 'DRAINING', 'LOST', 'REVOKED');

-- CreateEnum
CREATE TYPE "Direction" AS ENUM ('INBOUND', 'OUTBOUND');

-- CreateEnum
CREATE TYPE "MessageKind" AS ENUM ('CHAT', 'NOTICE');

-- CreateEnum
CREATE TYPE "MessageState" AS ENUM ('RECEIVED', 'ANSWERED', 'REFUSED', 'PENDING', 'SENT', 'DELIVERED', 'READ', 'FAILED');

-- CreateEnum
CREATE TYPE "TurnState" AS ENUM ('PENDING', 'RUNNING', 'DONE', 'FAILED', 'CANCELED');

-- CreateEnum
CREATE TYPE "DeliveryState" AS ENUM ('PENDING', 'SENT', 'DELIVERED', 'READ', 'DEAD');

-- CreateEnum
CREATE TYPE "LlmProvider" AS ENUM ('ANTHROPIC', 'OPENAI', 'GOOGLE');

-- CreateEnum
CREATE TYPE "SubscriptionStatus" AS ENUM ('ACTIVE', 'PAST_DUE', 'CANCELED');

-- CreateTable
CREATE TABLE "users" (
    "id" UUID NOT NULL DEFAULT uuidv7(),
    "email" TEXT NOT NULL,
    "name" TEXT NOT NULL DEFAULT '',
    "time_zone" TEXT NOT NULL DEFAULT 'UTC',
    "proactive_channel" "Channel",
    "quiet_from_minute" SMALLINT,
    "quiet_until_minute" SMALLINT,
    "fallback_model" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "users_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "user_identities" (
    "issuer" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "user_id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "user_identities_pkey" PRIMARY KEY ("issuer","subject")
);

-- CreateTable
CREATE TABLE "revoked_tokens" (
    "jti" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "revoked_tokens_pkey" PRIMARY KEY ("jti")
);

-- CreateTable
CREATE TABLE "user_phones" (
    "id" UUID NOT NULL DEFAULT uuidv7(),
    "user_id" UUID NOT NULL,
    "channel" "Channel" NOT NULL,
    "address" TEXT NOT NULL,
    "phone_e164" TEXT,
    "telegram_username" TEXT,
    "telegram_chat_id" BIGINT,
    "bound_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "unbound_at" TIMESTAMPTZ(3),

    CONSTRAINT "user_phones_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "bind_codes" (
    "code_hash" TEXT NOT NULL,
    "user_id" UUID NOT NULL,
    "channel" "Channel" NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "used_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "bind_codes_pkey" PRIMARY KEY ("code_hash")
);

-- CreateTable
CREATE TABLE "notices" (
    "scope" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "notices_pkey" PRIMARY KEY ("scope","kind","key")
);

-- CreateTable
CREATE TABLE "assistants" (
    "id" UUID NOT NULL DEFAULT uuidv7(),
    "user_id" UUID NOT NULL,
    "status" "AssistantStatus" NOT NULL DEFAULT 'NONE',
    "desired" "DesiredPresence" NOT NULL DEFAULT 'ABSENT',
    "desired_generation" INTEGER NOT NULL DEFAULT 0,
    "observed_generation" INTEGER NOT NULL DEFAULT 0,
    "host_server_id" UUID,
    "model" TEXT NOT NULL,
    "restart_count" INTEGER NOT NULL DEFAULT 0,
    "container_id" TEXT,
    "gateway_token_encrypted" TEXT,
    "virtual_key_encrypted" TEXT,
    "last_error_code" TEXT,
    "last_error" TEXT,
    "suspended_at" TIMESTAMPTZ(3),
    "suspended_reason" TEXT,
    "last_seq" BIGINT NOT NULL DEFAULT 0,
    "ready_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "assistants_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "change_log" (
    "assistant_id" UUID NOT NULL,
    "generation" INTEGER NOT NULL,
    "kind" "ChangeKind" NOT NULL,
    "host_server_id" UUID,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "change_log_pkey" PRIMARY KEY ("assistant_id","generation")
);

-- CreateTable
CREATE TABLE "provisioning_jobs" (
    "id" UUID NOT NULL DEFAULT uuidv7(),
    "user_id" UUID NOT NULL,
    "assistant_id" UUID NOT NULL,
    "generation" INTEGER NOT NULL,
    "kind" "ChangeKind" NOT NULL,
    "status" "JobStatus" NOT NULL DEFAULT 'PENDING',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "step" TEXT NOT NULL DEFAULT 'queued',
    "last_error" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "provisioning_jobs_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "host_servers" (
    "id" UUID NOT NULL DEFAULT uuidv7(),
    "name" TEXT NOT NULL,
    "ip" TEXT,
    "state" "HostState" NOT NULL DEFAULT 'ACTIVE',
    "max_containers" INTEGER NOT NULL DEFAULT 0,
    "current_containers" INTEGER NOT NULL DEFAULT 0,
    "memory_total_bytes" BIGINT,
    "memory_free_bytes" BIGINT,
    "agent_version" TEXT,
    "runtime" TEXT,
    "last_seen" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "host_servers_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "host_certificates" (
    "serial" TEXT NOT NULL,
    "host_id" UUID NOT NULL,
    "not_after" TIMESTAMPTZ(3) NOT NULL,
    "revoked_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "host_certificates_pkey" PRIMARY KEY ("serial")
);

-- CreateTable
CREATE TABLE "host_sessions" (
    "host_id" UUID NOT NULL,
    "replica" TEXT NOT NULL,
    "epoch" BIGINT NOT NULL,
    "lease_expires_at" TIMESTAMPTZ(3) NOT NULL,
    "connected_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "host_sessions_pkey" PRIMARY KEY ("host_id")
);

-- CreateTable
CREATE TABLE "certificate_authorities" (
    "id" TEXT NOT NULL,
    "certificate_pem" TEXT NOT NULL,
    "key_encrypted" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "certificate_authorities_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "join_tokens" (
    "token_hash" TEXT NOT NULL,
    "host_name" TEXT,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "used_at" TIMESTAMPTZ(3),
    "host_id" UUID,
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "join_tokens_pkey" PRIMARY KEY ("token_hash")
);

-- CreateTable
CREATE TABLE "messages" (
    "id" UUID NOT NULL DEFAULT uuidv7(),
    "user_id" UUID NOT NULL,
    "direction" "Direction" NOT NULL,
    "kind" "MessageKind" NOT NULL DEFAULT 'CHAT',
    "channel" "Channel" NOT NULL,
    "address" TEXT NOT NULL,
    "body" TEXT NOT NULL,
    "provider_message_id" TEXT,
    "provider_order" BIGINT,
    "seq" BIGINT NOT NULL,
    "state" "MessageState" NOT NULL,
    "turn_id" UUID,
    "code" TEXT,
    "trace_parent" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "messages_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "turns" (
    "id" UUID NOT NULL DEFAULT uuidv7(),
    "assistant_id" UUID NOT NULL,
    "state" "TurnState" NOT NULL DEFAULT 'PENDING',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "host_server_id" UUID,
    "session_epoch" BIGINT,
    "not_before" TIMESTAMPTZ(3),
    "error_code" TEXT,
    "cancel_requested_at" TIMESTAMPTZ(3),
    "trace_parent" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "claimed_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "turns_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "deliveries" (
    "id" UUID NOT NULL DEFAULT uuidv7(),
    "message_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "channel" "Channel" NOT NULL,
    "address" TEXT NOT NULL,
    "part" INTEGER NOT NULL,
    "payload" JSONB NOT NULL,
    "state" "DeliveryState" NOT NULL DEFAULT 'PENDING',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "provider_message_id" TEXT,
    "last_error_code" TEXT,
    "sent_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "deliveries_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "usage_daily" (
    "user_id" UUID NOT NULL,
    "date" DATE NOT NULL,
    "inbound_count" INTEGER NOT NULL DEFAULT 0,
    "outbound_count" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "usage_daily_pkey" PRIMARY KEY ("user_id","date")
);

-- CreateTable
CREATE TABLE "usage_events" (
    "id" UUID NOT NULL DEFAULT uuidv7(),
    "user_id" UUID NOT NULL,
    "host_server_id" UUID,
    "report_key" TEXT NOT NULL,
    "provider" "LlmProvider" NOT NULL,
    "model" TEXT NOT NULL,
    "own_key" BOOLEAN NOT NULL,
    "calls" INTEGER NOT NULL,
    "input_tokens" BIGINT NOT NULL,
    "cached_tokens" BIGINT NOT NULL DEFAULT 0,
    "output_tokens" BIGINT NOT NULL,
    "cost_micros" BIGINT,
    "price_version" TEXT,
    "estimated" BOOLEAN NOT NULL DEFAULT false,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "usage_events_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "api_keys" (
    "id" UUID NOT NULL DEFAULT uuidv7(),
    "user_id" UUID NOT NULL,
    "provider" "LlmProvider" NOT NULL,
    "encrypted_key" TEXT NOT NULL,
    "invalid_since" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "api_keys_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "subscriptions" (
    "id" UUID NOT NULL DEFAULT uuidv7(),
    "user_id" UUID NOT NULL,
    "stripe_customer_id" TEXT,
    "stripe_subscription_id" TEXT,
    "status" "SubscriptionStatus" NOT NULL,
    "trial_end" TIMESTAMPTZ(3),
    "current_period_end" TIMESTAMPTZ(3),
    "cancel_at_period_end" BOOLEAN NOT NULL DEFAULT false,
    "grace_end" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "subscriptions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "stripe_events" (
    "id" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "payload" JSONB NOT NULL,
    "received_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "processed_at" TIMESTAMPTZ(3),

    CONSTRAINT "stripe_events_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "credit_entries" (
    "id" UUID NOT NULL DEFAULT uuidv7(),
    "user_id" UUID NOT NULL,
    "amount_micros" BIGINT NOT NULL,
    "reason" TEXT NOT NULL,
    "reference" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "credit_entries_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "user_integrations" (
    "id" UUID NOT NULL DEFAULT uuidv7(),
    "user_id" UUID NOT NULL,
    "service" TEXT NOT NULL,
    "scopes" TEXT[],
    "access_token_encrypted" TEXT,
    "refresh_token_encrypted" TEXT,
    "expires_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "user_integrations_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "audit_events" (
    "id" UUID NOT NULL DEFAULT uuidv7(),
    "actor" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "data" JSONB NOT NULL DEFAULT '{}',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "audit_events_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "backups" (
    "id" UUID NOT NULL DEFAULT uuidv7(),
    "user_id" UUID NOT NULL,
    "host_server_id" UUID,
    "location" TEXT NOT NULL,
    "size_bytes" BIGINT,
    "sha256" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3),

    CONSTRAINT "backups_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "users_email_key" ON "users"("email");

-- CreateIndex
CREATE INDEX "user_identities_user_id_idx" ON "user_identities"("user_id");

-- CreateIndex
CREATE INDEX "revoked_tokens_expires_at_idx" ON "revoked_tokens"("expires_at");

-- CreateIndex
CREATE INDEX "user_phones_user_id_idx" ON "user_phones"("user_id");

-- CreateIndex
CREATE UNIQUE INDEX "user_phones_one_live_binding_per_address" ON "user_phones"("channel", "address") WHERE (unbound_at IS NULL);

-- CreateIndex
CREATE UNIQUE INDEX "user_phones_one_live_binding_per_channel" ON "user_phones"("user_id", "channel") WHERE (unbound_at IS NULL);

-- CreateIndex
CREATE INDEX "bind_codes_user_id_channel_idx" ON "bind_codes"("user_id", "channel");

-- CreateIndex
CREATE INDEX "notices_created_at_idx" ON "notices"("created_at");

-- CreateIndex
CREATE UNIQUE INDEX "assistants_user_id_key" ON "assistants"("user_id");

-- CreateIndex
CREATE INDEX "assistants_host_server_id_idx" ON "assistants"("host_server_id");

-- CreateIndex
CREATE INDEX "change_log_host_server_id_created_at_idx" ON "change_log"("host_server_id", "created_at");

-- CreateIndex
CREATE INDEX "provisioning_jobs_status_updated_at_idx" ON "provisioning_jobs"("status", "updated_at");

-- CreateIndex
CREATE INDEX "provisioning_jobs_user_id_idx" ON "provisioning_jobs"("user_id");

-- CreateIndex
CREATE UNIQUE INDEX "provisioning_jobs_assistant_id_generation_key" ON "provisioning_jobs"("assistant_id", "generation");

-- CreateIndex
CREATE UNIQUE INDEX "host_servers_name_key" ON "host_servers"("name");

-- CreateIndex
CREATE INDEX "host_certificates_host_id_idx" ON "host_certificates"("host_id");

-- CreateIndex
CREATE INDEX "host_sessions_lease_expires_at_idx" ON "host_sessions"("lease_expires_at");

-- CreateIndex
CREATE INDEX "messages_user_id_created_at_idx" ON "messages"("user_id", "created_at");

-- CreateIndex
CREATE INDEX "messages_unanswered" ON "messages"("user_id", "seq") WHERE (direction = 'INBOUND' AND state = 'RECEIVED');

-- CreateIndex
CREATE UNIQUE INDEX "messages_channel_provider_message_id_key" ON "messages"("channel", "provider_message_id");

-- CreateIndex
CREATE UNIQUE INDEX "messages_user_id_seq_key" ON "messages"("user_id", "seq");

-- CreateIndex
CREATE UNIQUE INDEX "messages_one_answer_per_turn" ON "messages"("turn_id") WHERE (direction = 'OUTBOUND' AND kind = 'CHAT');

-- CreateIndex
CREATE INDEX "turns_open" ON "turns"("created_at") WHERE (finished_at IS NULL);

-- CreateIndex
CREATE INDEX "turns_running_by_host" ON "turns"("host_server_id") WHERE (state = 'RUNNING');

-- CreateIndex
CREATE UNIQUE INDEX "turns_one_running_per_assistant" ON "turns"("assistant_id") WHERE (state = 'RUNNING');

-- CreateIndex
CREATE UNIQUE INDEX "turns_one_pending_per_assistant" ON "turns"("assistant_id") WHERE (state = 'PENDING');

-- CreateIndex
CREATE INDEX "deliveries_channel_provider_message_id_idx" ON "deliveries"("channel", "provider_message_id");

-- CreateIndex
CREATE INDEX "deliveries_state_created_at_idx" ON "deliveries"("state", "created_at");

-- CreateIndex
CREATE UNIQUE INDEX "deliveries_message_id_part_key" ON "deliveries"("message_id", "part");

-- CreateIndex
CREATE UNIQUE INDEX "usage_events_report_key_key" ON "usage_events"("report_key");

-- CreateIndex
CREATE INDEX "usage_events_user_id_created_at_idx" ON "usage_events"("user_id", "created_at");

-- CreateIndex
CREATE UNIQUE INDEX "api_keys_user_id_provider_key" ON "api_keys"("user_id", "provider");

-- CreateIndex
CREATE UNIQUE INDEX "subscriptions_stripe_subscription_id_key" ON "subscriptions"("stripe_subscription_id");

-- CreateIndex
CREATE INDEX "subscriptions_user_id_idx" ON "subscriptions"("user_id");

-- CreateIndex
CREATE UNIQUE INDEX "subscriptions_one_live_per_user" ON "subscriptions"("user_id") WHERE (status <> 'CANCELED');

-- CreateIndex
CREATE INDEX "credit_entries_user_id_created_at_idx" ON "credit_entries"("user_id", "created_at");

-- CreateIndex
CREATE UNIQUE INDEX "credit_entries_user_id_reason_reference_key" ON "credit_entries"("user_id", "reason", "reference");

-- CreateIndex
CREATE UNIQUE INDEX "user_integrations_user_id_service_key" ON "user_integrations"("user_id", "service");

-- CreateIndex
CREATE INDEX "audit_events_subject_created_at_idx" ON "audit_events"("subject", "created_at");

-- CreateIndex
CREATE INDEX "backups_user_id_created_at_idx" ON "backups"("user_id", "created_at");

-- AddForeignKey
ALTER TABLE "user_identities" ADD CONSTRAINT "user_identities_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "user_phones" ADD CONSTRAINT "user_phones_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "bind_codes" ADD CONSTRAINT "bind_codes_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "assistants" ADD CONSTRAINT "assistants_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "assistants" ADD CONSTRAINT "assistants_host_server_id_fkey" FOREIGN KEY ("host_server_id") REFERENCES "host_servers"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "change_log" ADD CONSTRAINT "change_log_assistant_id_fkey" FOREIGN KEY ("assistant_id") REFERENCES "assistants"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "provisioning_jobs" ADD CONSTRAINT "provisioning_jobs_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "provisioning_jobs" ADD CONSTRAINT "provisioning_jobs_assistant_id_fkey" FOREIGN KEY ("assistant_id") REFERENCES "assistants"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "host_certificates" ADD CONSTRAINT "host_certificates_host_id_fkey" FOREIGN KEY ("host_id") REFERENCES "host_servers"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "host_sessions" ADD CONSTRAINT "host_sessions_host_id_fkey" FOREIGN KEY ("host_id") REFERENCES "host_servers"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "messages" ADD CONSTRAINT "messages_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "messages" ADD CONSTRAINT "messages_turn_id_fkey" FOREIGN KEY ("turn_id") REFERENCES "turns"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "turns" ADD CONSTRAINT "turns_assistant_id_fkey" FOREIGN KEY ("assistant_id") REFERENCES "assistants"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "turns" ADD CONSTRAINT "turns_host_server_id_fkey" FOREIGN KEY ("host_server_id") REFERENCES "host_servers"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "deliveries" ADD CONSTRAINT "deliveries_message_id_fkey" FOREIGN KEY ("message_id") REFERENCES "messages"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "deliveries" ADD CONSTRAINT "deliveries_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "usage_daily" ADD CONSTRAINT "usage_daily_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "usage_events" ADD CONSTRAINT "usage_events_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "usage_events" ADD CONSTRAINT "usage_events_host_server_id_fkey" FOREIGN KEY ("host_server_id") REFERENCES "host_servers"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "subscriptions" ADD CONSTRAINT "subscriptions_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "credit_entries" ADD CONSTRAINT "credit_entries_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "user_integrations" ADD CONSTRAINT "user_integrations_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "backups" ADD CONSTRAINT "backups_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "backups" ADD CONSTRAINT "backups_host_server_id_fkey" FOREIGN KEY ("host_server_id") REFERENCES "host_servers"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- What Prisma has no words for.

-- Addresses are compared in lower case only.
ALTER TABLE "users" ADD CONSTRAINT "users_email_lower_case" CHECK ("email" = lower("email"));
ALTER TABLE "users" ADD CONSTRAINT "users_quiet_hours" CHECK (
  ("quiet_from_minute" IS NULL) = ("quiet_until_minute" IS NULL)
  AND "quiet_from_minute" BETWEEN 0 AND 1439 AND "quiet_until_minute" BETWEEN 0 AND 1439
);

-- A generation is observed only after it was desired, an assistant that is wanted or up has a place in the story.
ALTER TABLE "assistants" ADD CONSTRAINT "assistants_generations" CHECK (
  "desired_generation" >= 0 AND "observed_generation" BETWEEN 0 AND "desired_generation"
);
ALTER TABLE "assistants" ADD CONSTRAINT "assistants_ready_has_host" CHECK ("status" <> 'READY' OR "host_server_id" IS NOT NULL);
ALTER TABLE "assistants" ADD CONSTRAINT "assistants_none_is_nowhere" CHECK ("status" <> 'NONE' OR "host_server_id" IS NULL);

-- A host is never over-booked (F2), zero is a host that has not reported yet.
ALTER TABLE "host_servers" ADD CONSTRAINT "host_servers_capacity" CHECK ("current_containers" >= 0 AND "max_containers" >= 0);

ALTER TABLE "provisioning_jobs" ADD CONSTRAINT "provisioning_jobs_attempts" CHECK ("attempts" BETWEEN 0 AND 3);

-- Each direction has its own states.
ALTER TABLE "messages" ADD CONSTRAINT "messages_state_of_direction" CHECK (
  ("direction" = 'INBOUND' AND "state" IN ('RECEIVED', 'ANSWERED', 'REFUSED'))
  OR ("direction" = 'OUTBOUND' AND "state" IN ('PENDING', 'SENT', 'DELIVERED', 'READ', 'FAILED'))
);

-- A turn that runs belongs to a session of a host, one that ended says when.
ALTER TABLE "turns" ADD CONSTRAINT "turns_running_has_session" CHECK (
  "state" <> 'RUNNING' OR ("host_server_id" IS NOT NULL AND "session_epoch" IS NOT NULL AND "attempts" > 0)
);
ALTER TABLE "turns" ADD CONSTRAINT "turns_ended_has_time" CHECK (("state" IN ('DONE', 'FAILED', 'CANCELED')) = ("finished_at" IS NOT NULL));

ALTER TABLE "deliveries" ADD CONSTRAINT "deliveries_counts" CHECK ("part" >= 0 AND "attempts" >= 0);
ALTER TABLE "usage_daily" ADD CONSTRAINT "usage_daily_counts" CHECK ("inbound_count" >= 0 AND "outbound_count" >= 0);
ALTER TABLE "usage_events" ADD CONSTRAINT "usage_events_counts" CHECK (
  "calls" >= 0 AND "input_tokens" >= 0 AND "cached_tokens" >= 0 AND "output_tokens" >= 0
);

-- The balance is the sum of the ledger, never stored, the remainder of a cent is rounded down.
CREATE VIEW "user_credits" AS
SELECT
  u."id" AS "user_id",
  floor(coalesce(sum(e."amount_micros") FILTER (WHERE e."amount_micros" > 0), 0) / 10000)::bigint AS "total_cents",
  ceil(coalesce(-sum(e."amount_micros") FILTER (WHERE e."amount_micros" < 0), 0) / 10000)::bigint AS "used_cents"
FROM "users" u
LEFT JOIN "credit_entries" e ON e."user_id" = u."id"
GROUP BY u."id";
