-- What was set about an environment, with a mark in the place of each secret. The secrets themselves lie in `secrets`,
-- sealed, under the name `revision/<number>/<JSON Pointer>`.
alter table revisions add column parameters jsonb not null default '{}';

-- What holds for all environments of a target; an older row has the defaults.
alter table targets add column settings jsonb not null default '{}';
-- Sealed: the registry's credentials.
alter table targets add column pull_secret bytea;
