-- Orders that wait until another actor has looked at them.

alter table operations
	-- It had to be approved before it could stand in line.
	add column needs_approval boolean not null default false,
	-- Who did so, and when.
	add column approved_by text,
	add column approved_at timestamptz;

-- What was ordered: it is carried out once it is approved. Sealed, because it may hold secrets.
create table approvals (
	operation_id text primary key references operations (id),
	-- By whose token: that one may not approve it.
	token_id text not null references tokens (id),
	sealed bytea not null
);

alter table tenants
	-- Which of its orders wait for an approval, beside those that the target names.
	add column approvals jsonb not null default '[]';
