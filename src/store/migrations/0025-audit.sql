-- Who did what, and who tried to: a line for each mutation, written by its own transaction, and for attempts that were denied.

create table audit (
	id bigint generated always as identity primary key,
	at timestamptz(3) not null default clock_timestamp(),
	-- Of what it is about, or else of who acted; null: nobody knows. No reference: a line outlives everything.
	tenant_id text,
	actor_kind text not null check (actor_kind in ('person', 'machine', 'service', 'unknown')),
	actor_id text,
	actor_name text,
	actor_tenant text,
	address text,
	-- The endpoint's name, or what the service did by itself: `service.hibernate`.
	action text not null,
	method text,
	path text,
	resource_kind text,
	resource_id text,
	environment_id text,
	operation_id text,
	-- Without secrets.
	before jsonb,
	after jsonb,
	-- The status of the answer; null for what the service did by itself.
	status integer,
	-- What was refused, and why; null: it was done.
	code text,
	reason text,
	-- How many such attempts it stands for.
	attempts integer not null default 1,
	request_id text
);
create index audit_by_tenant on audit (tenant_id, id desc);
create index audit_by_actor on audit (actor_id, id desc);
create index audit_by_environment on audit (environment_id, id desc) where environment_id is not null;
create index audit_by_action on audit (action, id desc);
create index audit_by_time on audit (at, id);

-- For whoever owns the table as well, and so for an installation in which one role does everything.
create function refuse_audit_change() returns trigger language plpgsql as $$
begin
	raise exception 'the audit log is only ever added to' using errcode = 'insufficient_privilege';
end $$;
create trigger audit_is_append_only before update or delete or truncate on audit
	for each statement execute function refuse_audit_change();
