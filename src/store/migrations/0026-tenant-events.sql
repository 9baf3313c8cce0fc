-- The events of a tenant in one order, which readers can follow without missing any. `stamp` is the number of the transaction
-- that wrote it, or that of its environment's event before, if that is greater: so it never falls within an environment. What
-- a transaction that has not ended may still write has no smaller one than its number, so all below the oldest of those
-- numbers is complete.
create table event_clock (
	-- Added to the numbers of transactions: in a database that was restored into another cluster they begin anew.
	base bigint not null
);
insert into event_clock (base) values (0);

alter table environments add column last_stamp bigint not null default 0;
alter table events
	add column tenant_id text,
	add column stamp bigint not null default 0;
update events set tenant_id = environments.tenant_id
	from environments where environments.id = events.environment_id;
alter table events
	alter column tenant_id set not null,
	alter column stamp drop default;
create index events_by_tenant on events (tenant_id, stamp, environment_id, id);
