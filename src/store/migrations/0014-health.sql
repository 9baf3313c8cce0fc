-- Health that somebody watches, and what differs from what was applied.

alter table environments
	-- Why it is not healthy: kind, name, reason and message of each, as far as they are told.
	add column health_reasons jsonb not null default '[]',
	-- When it was last compared, and what was found; null: never.
	add column drift jsonb,
	add column drift_checked_at timestamptz,
	add column on_drift text not null default 'report' check (on_drift in ('report', 'repair'));

-- The one process that watches a target: until when, and a token that each new one draws anew.
alter table targets
	add column watch_owner text,
	add column watch_expires_at timestamptz,
	add column watch_fence bigint not null default 0;
