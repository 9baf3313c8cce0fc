-- Sealed: region and credentials of the AWS account that goes with the target. null: it has none.
alter table targets add column aws bytea;
