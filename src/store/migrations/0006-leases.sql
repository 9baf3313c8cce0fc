-- How many transactions the owner of the lease has committed, from 0 at each claim: one whose answer was lost is
-- recognised by its number, and not written twice.
alter table operations add column writes bigint not null default 0;
-- How often its message was put on the queue again. It is part of the message's job id, since a worker that was killed
-- keeps the id of the message that it had taken.
alter table operations add column sends integer not null default 0;

-- What there is once in an installation. `seal-check` is sealed with the key of all other sealed values.
create table installation (
	name text primary key,
	value bytea not null
);
