-- Callers that may do less than their role, and callers that have no token of ours.

alter table tokens
	-- Patterns of permissions; null: all of the role's.
	add column permissions jsonb,
	-- A pattern of names of environments; null: all of them.
	add column environments text,
	-- To a minute: it is written beside requests, not by each of them.
	add column last_used_at timestamptz;

-- Who ordered may be known by an identity provider and have no row in tokens.
alter table approvals drop constraint approvals_token_id_fkey;

-- Who is what, by the claims of an identity provider's tokens.
create table identity_rules (
	id text primary key,
	issuer text not null,
	-- Claim → pattern of its value. All of them must fit.
	claims jsonb not null,
	kind text not null check (kind in ('person', 'machine')),
	tenant_id text not null references tenants (id),
	role text not null check (role in ('viewer', 'operator', 'admin', 'platform-admin')),
	permissions jsonb,
	environments text,
	created_at timestamptz(3) not null default now()
);
create index identity_rules_by_issuer on identity_rules (issuer);
create index identity_rules_by_time on identity_rules (created_at, id);
