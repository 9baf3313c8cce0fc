-- What lists are read by, so that a page costs the same however much there is. Times in a page's cursor are milliseconds.
alter table environments alter column updated_at type timestamptz(3);

create index environments_alive_by_age on environments (tenant_id, created_at desc, id desc) where lifecycle <> 'destroyed';
create index environments_by_change on environments (tenant_id, updated_at desc, id desc) where lifecycle <> 'destroyed';
create index environments_by_label on environments using gin (labels jsonb_path_ops);
-- For who sees all tenants.
create index environments_all_by_age on environments (created_at desc, id desc) where lifecycle <> 'destroyed';
create index revisions_by_release on revisions (release, environment_id, number);

create index operations_by_tenant on operations (tenant_id, created_at desc, id desc);
create index operations_by_age on operations (created_at desc, id desc);
create index operations_open_by_tenant on operations (tenant_id, created_at desc, id desc) where finished_at is null;
