-- Identifiers are text with a prefix that says their kind. Times come from this database's clock only. Those
-- that lists are ordered by are kept to the millisecond, which is what a page's cursor can carry.

create table tenants (
	id text primary key,
	name text not null unique,
	created_at timestamptz(3) not null default now()
);

create table tokens (
	id text primary key,
	tenant_id text not null references tenants (id),
	name text not null,
	role text not null check (role in ('viewer', 'operator', 'admin', 'platform-admin')),
	-- SHA-256 of a token of 256 random bits: nothing slower is needed, and it can be looked up.
	hash bytea not null unique,
	created_at timestamptz(3) not null default now(),
	expires_at timestamptz,
	revoked_at timestamptz
);
create index tokens_by_tenant on tokens (tenant_id, created_at, id);

create table targets (
	id text primary key,
	name text not null unique,
	-- Sealed: a kubeconfig is a credential.
	kubeconfig bytea not null,
	cluster_identifier text not null,
	domain text not null,
	ingress_class text,
	storage_class text,
	is_default boolean not null default false,
	created_at timestamptz(3) not null default now()
);
create unique index targets_one_default on targets (is_default) where is_default;

create table releases (
	name text primary key,
	images jsonb not null,
	created_at timestamptz(3) not null default now()
);

create table environments (
	id text primary key,
	tenant_id text not null references tenants (id),
	target_id text not null references targets (id),
	name text not null,
	blueprint text not null,
	description text not null,
	labels jsonb not null,
	lifecycle text not null check (lifecycle in ('creating', 'ready', 'destroying', 'destroyed', 'failed')),
	health text not null check (health in ('healthy', 'degraded', 'unreachable', 'unknown')),
	namespace text not null unique,
	revision integer,
	desired_revision integer not null,
	endpoints jsonb,
	versions jsonb not null default '{}',
	-- The id of the newest event. Raised in the transaction that writes the event, so ids have no gaps.
	last_event_id bigint not null default 0,
	created_at timestamptz(3) not null default now(),
	updated_at timestamptz not null default now()
);
-- A name is free again once its environment is destroyed.
create unique index environments_by_name on environments (tenant_id, name) where lifecycle <> 'destroyed';
create index environments_by_age on environments (tenant_id, created_at desc, id desc);

create table secrets (
	environment_id text not null references environments (id),
	name text not null,
	sealed bytea not null,
	primary key (environment_id, name)
);

create table revisions (
	environment_id text not null references environments (id),
	number integer not null check (number > 0),
	blueprint_version text not null,
	release text not null,
	-- The images as they were when it was ordered: a release that is changed later changes no revision.
	images jsonb not null,
	size text not null check (size in ('small', 'ha')),
	created_at timestamptz(3) not null default now(),
	primary key (environment_id, number)
);

-- Each claim draws a number from it; a greater one belongs to a later owner.
create sequence fencing_tokens;

create table operations (
	id text primary key,
	-- The order in which operations were asked for; ids are random.
	sequence bigint generated always as identity,
	environment_id text not null references environments (id),
	kind text not null check (kind in ('create', 'destroy')),
	state text not null check (state in ('queued', 'running', 'recovering', 'succeeded', 'failed', 'timed_out', 'superseded')),
	phase text,
	attempt integer not null default 0,
	revision_from integer,
	revision_to integer,
	phases jsonb not null default '[]',
	changes jsonb not null,
	requested_by text not null,
	error jsonb,
	-- The lease: who works on it, until when, and the token that every write of that owner carries.
	lease_owner text,
	lease_expires_at timestamptz,
	fence bigint,
	-- Not to be claimed before: the pause after a failure that may pass.
	not_before timestamptz,
	-- When its message was last put on the queue.
	enqueued_at timestamptz not null default now(),
	created_at timestamptz(3) not null default now(),
	started_at timestamptz,
	finished_at timestamptz,
	deadline_at timestamptz,
	check ((state in ('succeeded', 'failed', 'timed_out', 'superseded')) = (finished_at is not null))
);
-- One operation moves an environment at a time.
create unique index operations_one_active on operations (environment_id) where state in ('running', 'recovering');
create index operations_by_environment on operations (environment_id, sequence desc);
create index operations_open on operations (state, enqueued_at) where finished_at is null;

create table events (
	environment_id text not null references environments (id),
	id bigint not null,
	operation_id text references operations (id),
	type text not null,
	data jsonb not null,
	at timestamptz not null default now(),
	primary key (environment_id, id)
);
create index events_by_operation on events (operation_id, id);
