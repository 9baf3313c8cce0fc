-- Fairness between tenants, limits, and roll-outs to many environments.

-- What the platform decides for a tenant; an older row has the defaults.
alter table tenants add column settings jsonb not null default '{}';
-- When an operation of it was last claimed: of two tenants that have as much under way, the one that waited longer is next.
alter table tenants add column served_at timestamptz;

-- The tenant of its environment, which never changes: who is next is found without a look at all that waits.
alter table operations add column tenant_id text references tenants (id);
update operations o set tenant_id = e.tenant_id from environments e where e.id = o.environment_id;
alter table operations alter column tenant_id set not null;
create index operations_waiting on operations (tenant_id, sequence) where state = 'queued';
-- What must end before an operation of the same environment may begin. It serves the sweep as well, which looks at all
-- that is open; beside another such index, a planner that knows nothing of the table yet would choose the wrong one.
drop index operations_open;
create index operations_line on operations (environment_id, sequence) where finished_at is null;
create index operations_active on operations (tenant_id) where state in ('running', 'recovering', 'cancelling');
-- How long operations of a kind took of late.
create index operations_succeeded on operations (kind, finished_at desc) where state = 'succeeded';

-- The workers that live, by what each said of itself last. Nothing depends on it but what callers are told of the queue.
create table workers (
	name text primary key,
	slots integer not null check (slots > 0),
	is_short_of_memory boolean not null,
	seen_at timestamptz not null default now()
);

create table rollouts (
	id text primary key,
	release text not null references releases (name),
	selector jsonb not null,
	max_concurrent integer not null check (max_concurrent > 0),
	-- null: no pause. 0: until somebody resumes it.
	pause_seconds integer,
	-- When members may be begun, as {from, to, timeZone}; null: always.
	time_window jsonb,
	state text not null check (state in ('running', 'paused', 'stopping', 'succeeded', 'failed', 'aborted')),
	requested_by text not null,
	aborted_by text,
	-- Its first wave has ended, and the pause after it was made.
	has_paused boolean not null default false,
	-- When a pause ends by itself.
	resumes_at timestamptz,
	-- What it came through, oldest first, as [{state, at, reason}].
	timeline jsonb not null default '[]',
	created_at timestamptz(3) not null default now(),
	finished_at timestamptz,
	check ((state in ('succeeded', 'failed', 'aborted')) = (finished_at is not null))
);
create index rollouts_by_age on rollouts (created_at desc, id desc);
create index rollouts_open on rollouts (created_at) where finished_at is null;

-- Who takes part is decided once, when it is ordered.
create table rollout_members (
	rollout_id text not null references rollouts (id),
	ordinal integer not null check (ordinal > 0),
	environment_id text not null references environments (id),
	state text not null check (state in ('waiting', 'upgrading', 'succeeded', 'rolling_back', 'rolled_back', 'failed', 'skipped', 'untouched')),
	operation_id text references operations (id),
	-- The operation that takes it back after a failure.
	rollback_id text references operations (id),
	reason text,
	primary key (rollout_id, ordinal),
	unique (rollout_id, environment_id)
);
