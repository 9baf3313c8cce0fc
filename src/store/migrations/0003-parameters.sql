-- What was set about an environment, with a mark in the place of each secret. The secrets themselves lie in `secrets`,
-- sealed, under the name `revision/<number>/<JSON Pointer>`.
alter table revisions add column parameters jsonb not null default '{}';
