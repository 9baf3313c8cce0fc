-- The audit log in an order that whoever carries it away can go on with, without missing what commits late: a line's `stamp` is
-- the number of the transaction that wrote it, counted as that of events (0026). All below the number of the oldest
-- transaction that goes on is complete.

create function transaction_stamp() returns bigint language sql volatile as
	'select base + pg_current_xact_id()::text::bigint from event_clock';

-- Lines from before are complete, and come first, in the order of their ids. As a default it is not forgotten by anybody.
alter table audit add column stamp bigint not null default 0;
alter table audit alter column stamp set default transaction_stamp();
create index audit_by_stamp on audit (stamp, id);
create index audit_by_tenant_stamp on audit (tenant_id, stamp, id);
