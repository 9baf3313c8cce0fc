// What must be true after a soak, found out from the database and the cluster and not from the service.
import pg from "pg";
import {
	environmentLabel,
	jobLabel,
	managedBy,
	managedByLabel,
} from "../../src/domain/cluster.ts";
import { kubectlGet } from "../support/kubectl.ts";
import type { Promised } from "./customer.ts";

/** What is asked → how many offend, or which. All of them must be zero. */
export type Offences = Record<string, number | readonly string[]>;

/** How many. */
export const countOffences = (offence: Offences[string]): number =>
	typeof offence === "number" ? offence : offence.length;

/** Of orders, operations and events. */
export async function judgeDatabase(
	url: string,
	promised: readonly Promised[],
): Promise<Offences> {
	const client = new pg.Client({ connectionString: url });
	await client.connect();
	const count = async (query: string, values: unknown[] = []) =>
		Number((await client.query(query, values)).rows[0]?.count);
	try {
		return {
			"operations that are not over": await count(
				"select count(*) from operations where finished_at is null",
			),
			"orders with 202 that are not there": await count(
				"select count(*) from unnest($1::text[]) id where not exists (select from operations o where o.id = id)",
				[promised.map(({ id }) => id)],
			),
			"environments whose events have a gap": await count(
				"select count(*) from (select environment_id from events group by 1 having count(*) <> max(id) or min(id) <> 1) wrong",
			),
			"operations whose end is not told exactly once": await count(
				`select count(*) from operations o where 1 <> (select count(*) from events e where e.operation_id = o.id
				 and e.type in ('operation.succeeded', 'operation.failed', 'operation.timed_out', 'operation.cancelled', 'operation.superseded', 'operation.stalled'))`,
			),
			"ends that are told otherwise than they are kept": await count(
				`select count(*) from operations o where not exists (select from events e where e.operation_id = o.id and e.type = 'operation.' || o.state)`,
			),
			"events after the end of their operation": await count(
				`select count(*) from events e join events last on last.operation_id = e.operation_id and e.id > last.id
				 and last.type in ('operation.succeeded', 'operation.failed', 'operation.timed_out', 'operation.cancelled', 'operation.superseded', 'operation.stalled')`,
			),
			"updates of the engine that are not over": await count(
				"select count(*) from updates where state in ('created', 'running')",
			),
			"stacks of destroyed environments": await count(
				"select count(*) from stacks s join environments e on e.id = s.environment_id where e.lifecycle = 'destroyed'",
			),
		};
	} finally {
		await client.end();
	}
}

interface StateResource {
	readonly id?: string;
	readonly type: string;
}

const kinds =
	"deployments,statefulsets,services,secrets,configmaps,serviceaccounts,ingresses,networkpolicies,poddisruptionbudgets,resourcequotas,limitranges,cronjobs,jobs,persistentvolumeclaims,roles,rolebindings";

/** Of namespaces without an environment, and of states that say something else than the cluster. */
export async function judgeCluster(
	url: string,
	kubeconfig: string,
): Promise<Offences> {
	const client = new pg.Client({ connectionString: url });
	await client.connect();
	try {
		const { rows } = await client.query<{
			id: string;
			namespace: string;
			deployment: string | null;
		}>(
			`select e.id, e.namespace, (select deployment from checkpoints c where c.stack_id = s.id order by version desc limit 1) deployment
			 from environments e left join stacks s on s.environment_id = e.id where e.lifecycle <> 'destroyed'`,
		);
		const namespaces = await kubectlGet(
			kubeconfig,
			"namespaces",
			"-l",
			`${managedByLabel}=${managedBy}`,
		);
		const living = new Map(rows.map((row) => [row.namespace, row]));
		const owners = namespaces.map(
			({ metadata }) => metadata.labels?.[environmentLabel],
		);
		const strangers: string[] = [];
		const missing: string[] = [];
		for (const { namespace, deployment } of rows) {
			const inState = listInState(deployment, namespace);
			const inCluster = await listInCluster(kubeconfig, namespace);
			const place = (name: string) => `${namespace} ${name}`;
			missing.push(
				...[...inState].filter((name) => !inCluster.has(name)).map(place),
			);
			strangers.push(
				...[...inCluster]
					.filter(([name, isEngines]) => isEngines && !inState.has(name))
					.map(([name]) => place(name)),
			);
		}
		return {
			"namespaces without a living environment": namespaces
				.map(({ metadata }) => metadata.name)
				.filter((name) => !living.has(name)),
			"environments with two namespaces": owners.length - new Set(owners).size,
			"objects in a state that are not in the cluster": missing,
			"objects in the cluster that are in no state": strangers,
		};
	} finally {
		await client.end();
	}
}

/** `kind/name` of each object in the namespace that the engine says it made. */
function listInState(
	deployment: string | null,
	namespace: string,
): ReadonlySet<string> {
	const resources: StateResource[] =
		deployment === null ? [] : (JSON.parse(deployment).resources ?? []);
	return new Set(
		resources.flatMap(({ type, id }) => {
			const kind = /^kubernetes:.*:(\w+)$/.exec(type)?.[1];
			return kind !== undefined && id?.startsWith(`${namespace}/`)
				? [`${kind}/${id.slice(namespace.length + 1)}`]
				: [];
		}),
	);
}

/** The same of what is there, without what others own; and whether the engine should know of it. */
async function listInCluster(
	kubeconfig: string,
	namespace: string,
): Promise<ReadonlyMap<string, boolean>> {
	const objects = await kubectlGet(kubeconfig, kinds, "-n", namespace);
	return new Map(
		objects
			.filter(({ metadata }) => !("ownerReferences" in metadata))
			.map(({ kind, metadata: { name, labels } }) => [
				`${kind}/${name}`,
				// Jobs of the service's own come and go without the engine.
				labels?.[managedByLabel] === managedBy && !(jobLabel in labels),
			]),
	);
}
