-- Webhooks: who is told of a tenant's events, how far each has been told, and what came of it.

create table webhooks (
	id text primary key,
	tenant_id text not null references tenants (id),
	-- Sealed, as a URL may hold a token; and what of it anybody may read.
	url bytea not null,
	shown_url text not null,
	description text not null,
	-- `operation.succeeded`, or `operation.*`; null: all.
	types text[],
	-- Names of environments, with `*` for any characters; null: all. And the same for LIKE.
	environments text,
	name_like text not null,
	-- Sealed. Until its time is over the secret before signs as well.
	secret bytea not null,
	previous_secret bytea,
	previous_secret_until timestamptz,
	is_active boolean not null,
	disabled_reason text check (disabled_reason in ('gone', 'exhausted', 'failing')),
	disabled_at timestamptz,
	-- Since when every attempt has failed.
	failing_since timestamptz,
	created_at timestamptz(3) not null default now(),
	updated_at timestamptz not null default now(),
	-- A row is kept: what is still told by it is looked up, and to delete it would wait for who writes events.
	deleted_at timestamptz
);
create index webhooks_by_tenant on webhooks (tenant_id, created_at desc, id desc) where deleted_at is null;

-- One for each webhook and environment, made by the first event that it is to be told. The log itself is the outbox:
-- `settled` says up to which event, and `due_at` when it goes on; null: nothing is left to tell. Whoever writes an event
-- sets it in the same transaction, so none is forgotten.
create table webhook_lanes (
	webhook_id text not null references webhooks (id),
	environment_id text not null references environments (id),
	settled bigint not null,
	due_at timestamptz,
	-- Who works on it, until `due_at`; every write of that one carries it.
	claim text,
	primary key (webhook_id, environment_id)
);
create index webhook_lanes_due on webhook_lanes (webhook_id, due_at) where due_at is not null;

-- What was sent, or tried. One for each event, and one for each ping, which has no event.
create table deliveries (
	id text primary key,
	webhook_id text not null references webhooks (id),
	environment_id text references environments (id),
	event_id bigint,
	type text not null,
	state text not null check (state in ('pending', 'delivered', 'failed')),
	attempts integer not null default 0,
	next_attempt_at timestamptz,
	-- Asked for by somebody: it is sent once, at `manual_at`, beside the lane's order.
	manual_at timestamptz,
	claim text,
	response_status integer,
	duration_ms integer,
	-- Why there was no answer, or why it was not taken for one.
	error text,
	-- The beginning of the answer, masked.
	excerpt text,
	created_at timestamptz(3) not null default now(),
	attempted_at timestamptz,
	unique (webhook_id, environment_id, event_id),
	check ((environment_id is null) = (event_id is null))
);
create index deliveries_by_webhook on deliveries (webhook_id, created_at desc, id desc);
create index deliveries_manual on deliveries (manual_at) where manual_at is not null;
-- For what is thrown away after its time.
create index deliveries_by_age on deliveries (created_at);
