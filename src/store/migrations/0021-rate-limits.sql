-- How many requests each token, tenant and address has made in its present window, summed over all processes that answer
-- HTTP. Columns as rate-limiter-flexible wants them. Lost in a crash and not replicated: a window is a minute.
create unlogged table rate_limits (
	key varchar(255) primary key,
	points integer not null default 0,
	-- Milliseconds since 1970.
	expire bigint
);
