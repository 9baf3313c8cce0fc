-- The verb `upgrade`.
alter table environments drop constraint environments_lifecycle_check;
alter table environments add constraint environments_lifecycle_check
	check (lifecycle in ('creating', 'ready', 'upgrading', 'destroying', 'destroyed', 'failed'));
alter table operations drop constraint operations_kind_check;
alter table operations add constraint operations_kind_check check (kind in ('create', 'upgrade', 'destroy'));
