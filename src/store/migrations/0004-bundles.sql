-- The code of every blueprint version that was ever offered here, by digest: an older revision stays applicable
-- when the service's own sources have moved on.
create table bundles (
	digest text primary key check (digest ~ '^sha256:[0-9a-f]{64}$'),
	content text not null,
	created_at timestamptz(3) not null default now()
);

-- A version is immutable: it has one digest for ever.
create table blueprints (
	name text not null,
	version text not null,
	digest text not null references bundles (digest),
	created_at timestamptz(3) not null default now(),
	primary key (name, version)
);

-- null: a revision from before bundles were kept.
alter table revisions add column digest text references bundles (digest);
