-- The later life of an environment: verbs beside create, upgrade and destroy.

alter table environments drop constraint environments_lifecycle_check;
alter table environments add constraint environments_lifecycle_check check (lifecycle in (
	'creating', 'ready', 'upgrading', 'rolling_back', 'hibernating', 'hibernated', 'waking', 'restoring', 'rotating',
	'destroying', 'destroyed', 'failed'));

alter table operations drop constraint operations_kind_check;
alter table operations add constraint operations_kind_check check (kind in (
	'create', 'upgrade', 'rollback', 'hibernate', 'wake', 'backup', 'restore', 'rotate', 'refresh', 'preview', 'destroy'));

alter table operations drop constraint operations_state_check;
alter table operations add constraint operations_state_check check (state in (
	'queued', 'awaiting_approval', 'running', 'recovering', 'cancelling',
	'succeeded', 'failed', 'cancelled', 'timed_out', 'superseded', 'stalled'));

alter table operations
	-- What the order chose beside the revision.
	add column options jsonb not null default '{}',
	-- The operation whose end made the service order this one.
	add column caused_by text references operations (id);

-- A preview moves nothing, so it takes no turn.
drop index operations_one_active;
create unique index operations_one_active on operations (environment_id)
	where state in ('running', 'recovering', 'cancelling') and kind <> 'preview';

alter table revisions
	-- `hibernated`: the same environment, with all workloads at zero.
	add column power text not null default 'on' check (power in ('on', 'hibernated')),
	-- The revision whose content this one repeats.
	add column based_on integer;
