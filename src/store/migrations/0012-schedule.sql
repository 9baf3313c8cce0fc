-- When an environment sleeps by itself.

alter table environments
	-- As it was given; null: never.
	add column schedule jsonb,
	-- The next transition that nobody has followed yet, and to which power it leads.
	add column transition_at timestamptz,
	add column transition_to text check (transition_to in ('on', 'hibernated')),
	add check ((schedule is null) = (transition_at is null)),
	add check ((transition_at is null) = (transition_to is null));

create index environments_by_transition on environments (transition_at)
	where transition_at is not null and lifecycle not in ('destroying', 'destroyed');
