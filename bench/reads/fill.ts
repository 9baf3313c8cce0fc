// A database as it is after long use: many environments of one tenant, each with a history.
import pg from "pg";

export interface Amount {
	readonly environments: number;
	/** Of all environments together; as many of each. */
	readonly events: number;
}

/** Environments that are ready, each with its create, which has ended, and its events. `tenant` owns them all. */
export async function fill(
	databaseUrl: string,
	tenant: string,
	{ environments, events }: Amount,
): Promise<void> {
	const client = new pg.Client({ connectionString: databaseUrl });
	await client.connect();
	try {
		// What is referred to is there, by the way that it is made: it need not be looked up for each event.
		await client.query("set session_replication_role = replica");
		await client.query("set synchronous_commit = off");
		const each = Math.ceil(events / environments);
		const id = (prefix: string) => `'${prefix}_' || lpad(i::text, 20, '0')`;
		const numbers = `generate_series(1, ${environments}) i`;
		const age = `now() - make_interval(secs => ${environments} - i)`;
		await client.query(
			`insert into environments (id, tenant_id, target_id, name, blueprint, description, labels, lifecycle, health,
				namespace, revision, desired_revision, last_event_id, created_at, updated_at)
			select ${id("env")}, t.id, g.id, 'env-' || i, 'maestro', '', jsonb_build_object('team', 'team-' || i % 100),
				'ready', 'healthy', 'bench-' || i, 1, 1, ${each}, ${age}, ${age}
			from ${numbers}, tenants t, targets g where t.name = '${tenant}' and g.is_default`,
		);
		await client.query(
			`insert into revisions (environment_id, number, blueprint_version, release, images, size)
			select ${id("env")}, 1, '1', r.name, '{}', 'small' from ${numbers}, releases r where r.name = '0.6.0'`,
		);
		await client.query(
			`insert into operations (id, environment_id, tenant_id, kind, state, revision_to, changes, requested_by, created_at, finished_at)
			select ${id("op")}, ${id("env")}, t.id, 'create', 'succeeded', 1,
				'{"create": 0, "update": 0, "replace": 0, "delete": 0, "same": 0}', 'bench', ${age}, ${age}
			from ${numbers}, tenants t where t.name = '${tenant}'`,
		);
		await client.query(
			`insert into events (environment_id, id, tenant_id, stamp, operation_id, type, data)
			select ${id("env")}, n, t.id, n, ${id("op")}, 'resource.created', '{"kind": "v1/ConfigMap", "name": "some"}'
			from ${numbers}, generate_series(1, ${each}) n, tenants t where t.name = '${tenant}'`,
		);
		await client.query("vacuum analyze");
	} finally {
		await client.end();
	}
}
