-- Lines are also looked for by the name of who acted.
create index audit_by_actor_name on audit (actor_name, id desc);
