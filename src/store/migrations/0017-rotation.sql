-- Secrets that get new values, and environments that are copies of others.

alter table secrets
	-- How often its value was made. A new value waits beside it under the name `next/…` until it is in use everywhere.
	add column generation integer not null default 1;

alter table environments
	-- What it was made of, as it was then; null for one that was ordered by itself.
	add column cloned_from jsonb;
