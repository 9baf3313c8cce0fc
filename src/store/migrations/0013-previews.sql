-- What an order would change, as it was worked out at one moment, and what that was worked out from.

create table previews (
	id text primary key,
	environment_id text not null references environments (id),
	operation_id text not null unique references operations (id),
	verb text not null,
	-- A keyed digest of the verb and its order: the order itself may hold secrets, and short ones could be guessed.
	order_digest bytea not null,
	-- The environment, the program's code and the engine's state as they were.
	desired_revision integer not null,
	lifecycle text not null,
	blueprint_version text not null,
	program_digest text,
	state_version integer,
	-- All that would be wished for, sealed; gone when the operation has ended.
	wish bytea,
	-- What the verb knows besides, and no plan shows.
	facts jsonb not null default '{}',
	result jsonb,
	created_at timestamptz(3) not null default now(),
	-- Null until there is a result. After it no order may be bound to it.
	expires_at timestamptz
);
create index previews_by_environment on previews (environment_id);
