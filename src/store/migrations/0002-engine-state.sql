-- The engine's own state: what the Pulumi CLI keeps through our backend. Deployments and journal entries
-- are JSON kept as text: they may hold what jsonb refuses (such as \u0000) and are only read whole.

create table stacks (
	id bigint generated always as identity primary key,
	project text not null,
	name text not null,
	-- Null for a stack that a platform admin made beside the environments.
	environment_id text unique references environments (id),
	tags jsonb not null default '{}',
	-- Encrypts the secrets in this stack's states. Sealed.
	data_key bytea not null,
	-- The number of the newest update that was started; states are kept under such numbers.
	version integer not null default 0,
	created_at timestamptz not null default now(),
	unique (project, name)
);

create table updates (
	id text primary key,
	stack_id bigint not null references stacks (id) on delete cascade,
	kind text not null check (kind in ('update', 'preview', 'refresh', 'destroy', 'import')),
	-- A preview: takes no lock, has no version and leaves no state.
	is_dry_run boolean not null,
	state text not null check (state in ('created', 'running', 'succeeded', 'failed')),
	-- How it came to its end: by its own client, or because somebody ended it.
	ending text check (ending in ('completed', 'cancelled', 'abandoned', 'overtaken', 'lapsed')),
	version integer,
	requested_by text not null,
	-- Whose run it is, if a worker's: every write is refused once this fence is not the operation's any more.
	operation_id text references operations (id),
	fence bigint,
	-- What the client told of it, as JSON; config secrets are ciphertext.
	message text not null,
	environment text not null,
	config text not null,
	resource_changes text,
	client_version text not null,
	-- 0: the client sends whole states. 1: it sends journal entries.
	journal_version integer not null default 0,
	-- The state that it started from, and whether creates that were pending in it are forgotten.
	base_version integer,
	forgets_pending boolean not null default false,
	-- SHA-256 of the lease token.
	token_hash bytea,
	lease_expires_at timestamptz,
	-- A batch was refused for good: nothing after it may be believed.
	is_refused boolean not null default false,
	-- The newest whole state, as {version, features, deployment}, of a client that sends them.
	checkpoint text,
	checkpoint_sequence integer not null default 0,
	created_at timestamptz not null default now(),
	started_at timestamptz,
	finished_at timestamptz,
	check ((operation_id is null) = (fence is null)),
	check ((state in ('succeeded', 'failed')) = (ending is not null))
);
-- One update moves a stack at a time.
create unique index updates_one_running on updates (stack_id) where state = 'running' and not is_dry_run;
create unique index updates_by_version on updates (stack_id, version) where version is not null;
create index updates_open on updates (lease_expires_at) where state in ('created', 'running');

create table journal (
	update_id text not null references updates (id) on delete cascade,
	sequence bigint not null,
	entry text not null,
	primary key (update_id, sequence)
);

-- Finished states. 0 is what a stack was created with.
create table checkpoints (
	stack_id bigint not null references stacks (id) on delete cascade,
	version integer not null,
	schema_version integer not null,
	features jsonb not null default '[]',
	deployment text not null,
	resource_count integer not null,
	created_at timestamptz not null default now(),
	primary key (stack_id, version)
);
