// Points at which a worker is killed: when it stores a given journal entry of an environment's engine state. A trigger
// holds the storing statement up, so that the point is exact however fast the engine is.
import { createHash } from "node:crypto";
import pg from "pg";
import { until } from "../support/until.ts";

/** Whether the entry that the worker was storing when it was killed becomes a part of the state. */
export type Fate = "kept" | "lost";

export interface Points {
	/**
	 * From now on: when the environment's next update stores its entry `sequence`, the operation's owner is killed.
	 * `killed` tells that it was so; false if `isOver` came first, for then there are fewer entries.
	 */
	arm(point: {
		readonly environment: string;
		readonly sequence: number;
		readonly fate: Fate;
		readonly isOver: () => boolean;
	}): Promise<{ readonly killed: Promise<boolean> }>;
	close(): Promise<void>;
}

const schema = `
	create table if not exists kill_points (environment text primary key, sequence bigint not null, lock_id integer not null);
	create or replace function hold_at_kill_point() returns trigger language plpgsql as $$
	declare point kill_points;
	begin
		select p.* into point from kill_points p
			join environments e on e.name = p.environment and e.lifecycle <> 'destroyed'
			join stacks s on s.environment_id = e.id
			join updates u on u.stack_id = s.id
			where u.id = new.update_id and p.sequence = new.sequence;
		if found then perform pg_advisory_xact_lock(point.lock_id); end if;
		return new;
	end $$;
	create or replace trigger hold_at_kill_point before insert on journal for each row execute function hold_at_kill_point();
`;

/** `url` is a database of the service's in which nothing is kept: it gets a trigger. */
export async function openPoints(url: string): Promise<Points> {
	const pool = new pg.Pool({ connectionString: url, max: 64 });
	// A database that goes away ends the soak by what waits for it, not by an event that nobody hears.
	pool.on("error", () => undefined);
	pool.on("connect", (client) => client.on("error", () => undefined));
	await pool.query(schema);

	/** The server process that waits at the point, and the pid of the worker that it works for. */
	const findHeld = async (environment: string, lock: number) => {
		const { rows } = await pool.query<{ server: number; owner: string }>(
			`select l.pid as server, o.lease_owner as owner from pg_locks l, operations o join environments e on e.id = o.environment_id
			 where l.locktype = 'advisory' and not l.granted and l.objid = $2 and e.name = $1 and o.state in ('running', 'recovering')`,
			[environment, lock],
		);
		const found = rows[0];
		return (
			found && {
				server: found.server,
				worker: Number(found.owner.split("/").at(-1)),
			}
		);
	};

	return {
		async arm({ environment, sequence, fate, isOver }) {
			const lock = findLock(environment);
			const holder = await pool.connect();
			await holder.query("select pg_advisory_lock($1)", [lock]);
			await holder.query("insert into kill_points values ($1, $2, $3)", [
				environment,
				sequence,
				lock,
			]);
			const kill = async () => {
				try {
					const held = await until(
						`${environment} stores entry ${sequence}`,
						async () =>
							(await findHeld(environment, lock)) ??
							(isOver() ? ("over" as const) : undefined),
						{ timeoutMs: 600_000, everyMs: 20 },
					);
					await holder.query("delete from kill_points where environment = $1", [
						environment,
					]);
					if (held === "over") return false;
					process.kill(held.worker, "SIGKILL");
					if (fate === "lost") {
						await holder.query("select pg_terminate_backend($1)", [
							held.server,
						]);
					}
					return true;
				} finally {
					await holder.query("select pg_advisory_unlock($1)", [lock]);
					holder.release();
				}
			};
			return { killed: kill() };
		},
		close: () => pool.end(),
	};
}

const findLock = (environment: string): number =>
	createHash("sha256").update(environment).digest().readUInt32BE(0) >>> 1;
