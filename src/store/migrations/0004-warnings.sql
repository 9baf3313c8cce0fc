-- What is less than Maestro advises in an environment, and why, as sentences.
alter table environments add column warnings jsonb not null default '[]';
