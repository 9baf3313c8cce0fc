-- Backups that operations made, and whether an operation has changed anything of its environment.

create table backups (
	id text primary key,
	environment_id text not null references environments (id),
	-- An operation makes one at most, however often it is begun.
	operation_id text not null unique references operations (id),
	-- The revision that ran, as far as one ran, when it was taken.
	revision integer not null,
	release text not null,
	reason text not null check (reason in (
		'on_demand', 'before_upgrade', 'before_rollback', 'before_restore', 'before_destroy')),
	-- A claim goes with the environment's namespace.
	place text not null check (place in ('claim', 'bucket')),
	name text not null,
	taken_at timestamptz not null,
	bytes bigint not null,
	parts integer not null,
	oplog boolean not null,
	sha256 text not null,
	-- What lets go of backups where they are kept goes by time, so nobody needs to mark those whose time is over.
	expires_at timestamptz not null,
	-- It went before its time.
	gone_at timestamptz,
	created_at timestamptz(3) not null default now(),
	foreign key (environment_id, revision) references revisions (environment_id, number)
);
create index backups_by_environment on backups (environment_id, created_at, id);

alter table operations
	-- It entered a phase that changes the environment. Before that its failure leaves everything as it was.
	add column is_touched boolean not null default false,
	-- From when on the databases may hold a part of the backup that it restores.
	add column restore_begun_at timestamptz,
	add column restored_at timestamptz;
update operations set is_touched = true where started_at is not null;
