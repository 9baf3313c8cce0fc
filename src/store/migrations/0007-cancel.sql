-- Cancelling in two steps, `stalled`, and retries.

alter table operations drop constraint operations_state_check;
alter table operations add constraint operations_state_check check (state in (
	'queued', 'running', 'recovering', 'cancelling',
	'succeeded', 'failed', 'cancelled', 'timed_out', 'superseded', 'stalled'));

alter table operations drop constraint operations_check;
alter table operations add constraint operations_check check (
	(state in ('succeeded', 'failed', 'cancelled', 'timed_out', 'superseded', 'stalled')) = (finished_at is not null));

drop index operations_one_active;
create unique index operations_one_active on operations (environment_id)
	where state in ('running', 'recovering', 'cancelling');

alter table operations
	add column retry_of text references operations (id),
	add column cancel_requested_by text,
	add column cancel_requested_at timestamptz,
	-- What was in flight was cut off, when it was cancelled.
	add column is_forced boolean not null default false,
	-- What there was when it ended cancelled or stalled; null: not known.
	add column existing jsonb,
	add check ((cancel_requested_by is null) = (cancel_requested_at is null)),
	add check (state not in ('cancelling', 'cancelled') or cancel_requested_at is not null);
