-- What an environment takes is summed up with each order of a tenant that has limits, from rows of revisions that are wide: all
-- that is asked of them is in this index.
create index revisions_demand on revisions (environment_id, number) include (cpu_millis, memory_mib, power);
