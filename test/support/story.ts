// A tale of environments: each order, what was answered at once, what its log told, and what it came to. The service is
// as its users run it, with the real engine and a real control plane.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { MongoClient } from "mongodb";
import type { Event as StreamedEvent } from "../../client/client.ts";
import { createTestDatabase } from "./database.ts";
import { kubectlGet, listWorkloads } from "./kubectl.ts";
import {
	type Caller,
	givenTenant,
	installService,
	makeCaller,
	startRole,
} from "./service.ts";

/** A loaded machine may take this long for one operation. */
export const patienceMs = 600_000;

/** What the API shows of anything. */
type Shown = Readonly<Record<string, unknown>>;

/** An operation as the API shows it. */
export interface Ended extends Shown {
	readonly id: string;
	readonly phases: readonly {
		readonly name: string;
		readonly state: string;
		readonly startedAt: string;
		readonly finishedAt: string;
	}[];
	readonly revision: { readonly from: number | null; readonly to: number };
	readonly error: Readonly<Record<string, string>> | null;
	readonly createdAt: string;
	readonly finishedAt: string;
}

export interface Told {
	readonly operation: Ended;
	readonly log: readonly StreamedEvent[];
}

export interface Act {
	/** Method, path and body. */
	readonly order: readonly [string, string, object?];
	readonly kind: string;
	/** From which revision to which. */
	readonly revision: readonly [number | null, number | null];
	/** The environment's lifecycle as soon as it is answered. */
	readonly during: string;
	/** Without it, `succeeded`. */
	readonly end?: string;
	/** How the log goes, as `retell` has it. */
	readonly tells: readonly string[];
}

export interface Story {
	readonly admin: Caller;
	readonly tenant: Caller;
	/** Orders, looks, waits for the end and checks what was told. */
	play(act: Act): Promise<Told>;
	/** The same for what was ordered by somebody else. */
	watch(id: string, act: Pick<Act, "end" | "tells">): Promise<Told>;
	/** The environment, by its name or id. */
	look(environment: string): Promise<Shown>;
	/** Checks that it is at rest, and these of its fields. */
	assertIs(environment: string, expected: Shown): Promise<Shown>;
	/** Checks that of what is there everything runs, or that nothing does. */
	assertWorkloads(
		environment: string,
		are: "running" | "stopped",
	): Promise<void>;
	/** All lines of an environment's log. */
	listLog(environment: string): Promise<StreamedEvent[]>;
	/** The environment's own server, which runs once a backup needed it. */
	openDocuments(environment: string): Promise<MongoClient>;
	hasNamespace(name: unknown): Promise<boolean>;
	close(): Promise<void>;
}

/** Starts the service, on a database of its own, and makes a tenant. */
export async function openStory(): Promise<Story> {
	const database = await createTestDatabase();
	const service = await installService({
		databaseUrl: database.url,
		kubeconfig: process.env.TEST_KUBECONFIG ?? "",
	});
	const role = await startRole("serve", service.environment);
	const admin = makeCaller(() => role.url, service.adminToken);
	const tenant = await givenTenant(admin, () => role.url, "acme");
	return {
		admin,
		tenant,
		...makeTeller(tenant),
		async close() {
			await role.stop();
			service.remove();
			await database.close();
		},
	};
}

/** The cluster as its admin sees it: what the service may not read, a test may. */
const kubeconfig = process.env.TEST_ADMIN_KUBECONFIG ?? "";

function makeTeller(tenant: Caller): Omit<Story, "admin" | "tenant" | "close"> {
	const get = async (path: string) =>
		(await tenant.call("GET", `/v1/${path}`)).body as Shown;
	const look = (environment: string) => get(`environments/${environment}`);
	const watch: Story["watch"] = async (id, { end = "succeeded", tells }) => {
		const operation = (await tenant.end(id, patienceMs)) as unknown as Ended;
		assert.equal(operation.state, end, JSON.stringify(operation.error));
		const log = await tenant.follow(id);
		assert.deepEqual(retell(log), tells);
		// The row says the same as the log.
		assert.deepEqual(
			operation.phases.map(({ name, state }) => `phase ${name} ${state}`),
			tells.filter((line) => line.startsWith("phase ")),
		);
		return { operation, log };
	};
	return {
		look,
		watch,
		async play(act) {
			const { status, body } = await tenant.call(...act.order);
			assert.equal(status, 202, JSON.stringify(body));
			const { id, kind, state, revision, environment } = body;
			const [from, to] = act.revision;
			assert.deepEqual(
				{ kind, state, revision },
				{ kind: act.kind, state: "queued", revision: { from, to } },
			);
			const now = await look(String(environment));
			assert.deepEqual([now.lifecycle, now.activeOperation], [act.during, id]);
			return watch(String(id), act);
		},
		async assertIs(environment, expected) {
			const now = await look(environment);
			const found = Object.fromEntries(
				Object.keys(expected).map((key) => [key, now[key]]),
			);
			assert.deepEqual(found, expected);
			assert.equal(now.activeOperation, null);
			return now;
		},
		async assertWorkloads(environment, are) {
			const { namespace } = await look(environment);
			const found = await listWorkloads(kubeconfig, String(namespace));
			const { deployments, statefulSets } = found;
			assert.ok(deployments.length >= 14, deployments.join());
			for (const one of [...deployments, ...statefulSets])
				assert.match(one, are === "running" ? / ([1-9]\d*)\/\1$/ : / 0\/0$/);
		},
		async listLog(environment) {
			const log: StreamedEvent[] = [];
			for (let token = ""; ; ) {
				const page = `environments/${environment}/events?pageSize=200${token}`;
				const { items, nextPageToken } = await get(page);
				log.push(...(items as StreamedEvent[]));
				if (nextPageToken === null) return log;
				token = `&pageToken=${nextPageToken}`;
			}
		},
		async openDocuments(environment) {
			const { namespace } = await look(environment);
			const folder = join(dirname(kubeconfig), "control-plane", "namespaces");
			const { mongodb } = JSON.parse(
				readFileSync(join(folder, String(namespace), "ports.json"), "utf8"),
			);
			return new MongoClient(`mongodb://127.0.0.1:${mongodb}/`);
		},
		hasNamespace: async (name) =>
			(await kubectlGet(kubeconfig, "namespace", String(name))).length > 0,
	};
}

/** An operation's log in key words: how each phase ended, stages, backups, what became of the environment, its end. */
const retell = (log: readonly StreamedEvent[]): string[] =>
	log.flatMap(({ type, data }) => {
		const [subject = "", word] = type.split(".");
		if (quiet.includes(subject) || word === "started" || word === "queued")
			return [];
		if (subject === "phase") return [`phase ${data.phase} ${word}`];
		return [subject === "stage" ? `stage ${data.stage}` : type];
	});

/** What is told of single objects, and by others than the operation. */
const quiet = ["resource", "workload", "engine", "health"];

/** Phases that came to their end, as `retell` has them. */
export const phases = (...names: readonly string[]): string[] =>
	names.map((name) => `phase ${name} succeeded`);

/** How long it took, in seconds, with each phase. */
export function tellTimes(operation: Ended): string {
	const between = (from: string, to: string) =>
		((Date.parse(to) - Date.parse(from)) / 1_000).toFixed(1);
	const each = operation.phases.map(
		(one) => `${one.name} ${between(one.startedAt, one.finishedAt)}`,
	);
	return `${operation.kind}: ${between(operation.createdAt, operation.finishedAt)} s (${each.join(", ")})`;
}
