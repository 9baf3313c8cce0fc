-- How long an environment lives.

alter table environments
	-- null: it never expires.
	add column expires_at timestamptz,
	add column on_expiry text not null default 'destroy' check (on_expiry in ('destroy', 'hibernate')),
	-- When somebody has to look at it next: at a warning's time, at the end, or again after an end that did not come about.
	add column notice_at timestamptz,
	-- When `environment.expired` was told, for this `expires_at`.
	add column expiry_told_at timestamptz,
	-- How long it is left alone after its create did not succeed; null: for ever.
	add column failure_ttl_seconds integer check (failure_ttl_seconds > 0),
	add check ((expires_at is null) = (notice_at is null));

create index environments_by_notice on environments (notice_at)
	where notice_at is not null and lifecycle <> 'destroyed';
create index environments_uncreated on environments (created_at)
	where lifecycle = 'failed' and revision is null and failure_ttl_seconds is not null;
