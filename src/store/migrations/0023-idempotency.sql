-- Answers that are kept under the key that a caller gave to a request: the request that comes again is answered with it.
-- The row is written in the transaction of what was ordered, so there are both or neither.
create table idempotency_keys (
	tenant_id text not null references tenants (id),
	-- The name of the endpoint: the same key at another one is another key.
	endpoint text not null,
	key text not null,
	caller text not null,
	-- HMAC-SHA-256 of what was asked for.
	digest bytea not null,
	-- Sealed, since it may hold a new token. null only within its transaction.
	answer bytea,
	expires_at timestamptz not null,
	primary key (tenant_id, endpoint, key)
);
create index idempotency_keys_by_expiry on idempotency_keys (expires_at);
