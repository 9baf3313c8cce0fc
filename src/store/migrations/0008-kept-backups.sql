-- Of a destroy: the bucket with the backups outlives the environment.
alter table operations add column keeps_backups boolean not null default false;
