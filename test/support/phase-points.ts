// Points of an operation's phase at which its worker is killed. A trigger holds up the statement by which the owner tells
// how far it is, so that the point is exact however fast the phase is; what is held up is lost with the worker.
import pg from "pg";
import type { OperationKind, PhaseName } from "../../src/domain/operation.ts";
import { until } from "./until.ts";

/** `first`: the phase tells something for the first time. `last`: it tells that it is over. `restored`: that the data are. */
export type Moment = "first" | "restored" | "last";

export interface PhasePoint {
	readonly kind: OperationKind;
	readonly phase: PhaseName;
	readonly moment: Moment;
}

export interface PhasePoints {
	/** From now on the next operation of the kind is held at the point. */
	arm(point: PhasePoint): Promise<void>;
	/** Fulfils when it is held, with the operation's id. */
	hold(): Promise<string>;
	/**
	 * Lets go of what was held; called once its worker is dead. The lease is over then, as it would be some seconds later.
	 */
	letGo(operation: string): Promise<void>;
	close(): Promise<void>;
}

const lock = 4_711;
const schema = `
	create table phase_points (kind text, phase text, moment text);
	create function hold_at_phase_point() returns trigger language plpgsql as $$
	begin
		perform from phase_points p where p.kind = new.kind and new.lease_owner is not null and case p.moment
			when 'first' then old.phase = p.phase and new.phase = p.phase and old.fence = new.fence and new.writes > old.writes
			when 'restored' then old.restored_at is null and new.restored_at is not null
			else new.phases -> -1 ->> 'name' = p.phase and new.phases -> -1 ->> 'state' = 'succeeded' end;
		if found then perform pg_advisory_xact_lock(${lock}); end if;
		return new;
	end $$;
	create trigger hold_at_phase_point before update on operations for each row execute function hold_at_phase_point();
`;

/** `url` is a database of the service's in which nothing is kept: it gets a trigger. It may hold one operation at a time. */
export async function openPhasePoints(url: string): Promise<PhasePoints> {
	// The lock belongs to its connection: one that nobody else uses.
	const holder = new pg.Client({ connectionString: url });
	await holder.connect();
	await holder.query(schema);
	const disarm = async () => {
		await holder.query("delete from phase_points");
		await holder.query("select pg_advisory_unlock_all()");
	};
	return {
		async arm({ kind, phase, moment }) {
			await holder.query("select pg_advisory_lock($1)", [lock]);
			await holder.query("insert into phase_points values ($1, $2, $3)", [
				kind,
				phase,
				moment,
			]);
		},
		hold: () =>
			until(
				"a worker is held at the point",
				async () => {
					const { rows } = await holder.query<{ id: string }>(
						`select o.id from operations o, phase_points p where o.kind = p.kind and o.state = 'running' and exists (
							select from pg_locks l join pg_database d on d.oid = l.database
							where l.locktype = 'advisory' and not l.granted and l.objid = $1 and d.datname = current_database())`,
						[lock],
					);
					return rows[0]?.id;
				},
				{ timeoutMs: 180_000, everyMs: 20 },
			).catch(async (error) => {
				// Nobody after this is to be held.
				await disarm();
				throw error;
			}),
		async letGo(operation) {
			await disarm();
			await holder.query(
				"update operations set lease_expires_at = now() - interval '1 second' where id = $1 and state = 'running'",
				[operation],
			);
		},
		close: () => holder.end(),
	};
}
