-- What a tenant may have at most is one of its settings. What is used is counted from rows.

-- What a revision asks its cluster for while everything runs. Null for a revision from before this was kept, until somebody
-- counts.
alter table revisions
	add column cpu_millis integer,
	add column memory_mib integer;
create index revisions_unmeasured on revisions (environment_id) where cpu_millis is null;

-- The operations of the last hour.
create index operations_by_tenant_time on operations (tenant_id, created_at);
