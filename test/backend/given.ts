// What the backend's tests start from: a database, the backend on a port, people who may call it, and its
// door as plain HTTP.
import { gzipSync } from "node:zlib";
import {
	type BackendOptions,
	type OpenBackend,
	openBackend,
} from "../../src/backend/server.ts";
import type { OperationId } from "../../src/domain/ids.ts";
import { stackName } from "../../src/domain/names.ts";
import type { Actor } from "../../src/domain/tenant.ts";
import type { Db } from "../../src/store/db.ts";
import { claimOperation, type Lease } from "../../src/store/leases.ts";
import { createTestDatabase } from "../support/database.ts";
import {
	givenActor,
	givenInstallation,
	givenOrder,
	type Installation,
	silentLog,
	testSealKey,
} from "../support/given.ts";

export const project = "impresario-maestro";
/** Where free stacks of these tests live. */
export const freeProject = "tests";

export interface World {
	readonly db: Db;
	readonly backend: OpenBackend;
	readonly installation: Installation;
	/** Of a platform admin. */
	readonly token: string;
	readonly admin: Actor;
	/** Another backend on the same database. */
	open(options?: Partial<BackendOptions>): Promise<OpenBackend>;
	close(): Promise<void>;
}

/** A database of its own with a backend before it. */
export async function openWorld(
	options: Partial<BackendOptions> = {},
): Promise<World> {
	const database = await createTestDatabase();
	const { db } = database;
	const installation = await givenInstallation(db);
	const { token, actor } = await givenActor(db, "platform", "platform-admin");
	const opened: OpenBackend[] = [];
	const open = async (more: Partial<BackendOptions> = {}) => {
		const backend = await openBackend({
			db,
			sealKey: testSealKey,
			log: silentLog,
			host: "127.0.0.1",
			port: 0,
			...options,
			...more,
		});
		opened.push(backend);
		return backend;
	};
	return {
		db,
		backend: await open(),
		installation,
		token,
		admin: actor,
		open,
		async close() {
			for (const backend of opened) await backend.close();
			await database.close();
		},
	};
}

/** An environment whose first operation a worker has claimed. */
export async function givenRun(
	world: World,
	name: string,
	tenant = "acme",
): Promise<{
	readonly lease: Lease;
	readonly token: string;
	readonly stack: string;
	/** The next owner takes it over. */
	takeOver(): Promise<{ readonly lease: Lease; readonly token: string }>;
}> {
	const { actor } = await givenActor(world.db, tenant);
	const order = await givenOrder(world.installation, actor, name);
	const lease = await claim(world.db, order.id);
	return {
		lease,
		token: world.backend.issueRunToken(lease),
		stack: stackName(order.environment),
		async takeOver() {
			await world.db
				.updateTable("operations")
				.set({ lease_expires_at: new Date(0) })
				.where("id", "=", order.id)
				.execute();
			const next = await claim(world.db, order.id);
			return { lease: next, token: world.backend.issueRunToken(next) };
		},
	};
}

async function claim(db: Db, id: OperationId): Promise<Lease> {
	const claimed = await claimOperation(db, {
		id,
		owner: "test",
		maxAttempts: 10,
	});
	if (claimed === undefined) throw new Error("it cannot be claimed");
	return claimed.lease;
}

export interface Answer {
	readonly status: number;
	/** Empty where there was none. */
	readonly body: Json;
}

/** JSON that a test looks into without a type for every route. */
export interface Json {
	readonly [key: string]: Json | undefined;
}

export interface Ask {
	/** Sent as `token`. */
	readonly token?: string;
	/** Sent as `update-token`. */
	readonly lease?: string;
	readonly body?: unknown;
	readonly gzip?: boolean;
	readonly headers?: Record<string, string>;
}

/** A door to one URL. */
export function makeDoor(url: string, token?: string) {
	return async (
		method: string,
		path: string,
		ask: Ask = {},
	): Promise<Answer> => {
		const shown =
			ask.lease !== undefined
				? `update-token ${ask.lease}`
				: `token ${ask.token ?? token ?? ""}`;
		const text =
			ask.body === undefined
				? undefined
				: typeof ask.body === "string"
					? ask.body
					: JSON.stringify(ask.body);
		const response = await fetch(`${url}${path}`, {
			method,
			headers: {
				authorization: shown,
				"content-type": "application/json",
				"user-agent": "pulumi-cli/1 (v3.259.0; linux; cmd=up)",
				...(ask.gzip && { "content-encoding": "gzip" }),
				...ask.headers,
			},
			...(text !== undefined && { body: ask.gzip ? gzipSync(text) : text }),
		});
		const answer = await response.text();
		return {
			status: response.status,
			body: answer === "" ? {} : JSON.parse(answer),
		};
	};
}

export type Door = ReturnType<typeof makeDoor>;

export const stackPath = (name: string, inProject = freeProject) =>
	`/api/stacks/impresario/${inProject}/${name}`;

/** A free stack, new for the test. */
export async function givenStack(door: Door, name: string): Promise<string> {
	const { status } = await door(
		"POST",
		`/api/stacks/impresario/${freeProject}`,
		{
			body: { stackName: name },
		},
	);
	if (status !== 200) throw new Error(`stack init answered ${status}`);
	return stackPath(name);
}

export interface Running {
	readonly id: string;
	readonly path: string;
	readonly lease: string;
	readonly version: number;
}

/** Creates and starts an update, as `up` does. */
export async function beginUpdate(
	door: Door,
	stack: string,
	ask: { readonly kind?: string; readonly token?: string } = {},
): Promise<Running> {
	const who = ask.token === undefined ? {} : { token: ask.token };
	const created = await door("POST", `${stack}/${ask.kind ?? "update"}`, {
		...who,
		body: { options: { dryRun: false }, config: {}, metadata: {} },
	});
	if (created.status !== 200) {
		throw new Error(`creation answered ${JSON.stringify(created)}`);
	}
	const path = `${stack}/update/${String(created.body.updateID)}`;
	const started = await door("POST", path, {
		...who,
		body: { journalVersion: 1 },
	});
	if (started.status !== 200) {
		throw new Error(`start answered ${JSON.stringify(started)}`);
	}
	return {
		id: String(created.body.updateID),
		path,
		lease: String(started.body.token),
		version: Number(started.body.version),
	};
}

export const urnOf = (name: string, type = "test:index:Part") =>
	`urn:pulumi:s::tests::${type}::${name}`;

/** A resource as the CLI writes it. */
export const resource = (name: string, part: object = {}) => ({
	urn: urnOf(name),
	custom: false,
	type: "test:index:Part",
	...part,
});

/** A journal entry; without more, a begin that nobody waits for. */
export const entry = (sequenceID: number, part: object = {}) => ({
	version: 1,
	kind: 0,
	sequenceID,
	operationID: 0,
	removeOld: null,
	removeNew: null,
	...part,
});

/** The two entries of a resource that was created: `first` is the number of the begin. */
export const created = (
	first: number,
	operationID: number,
	name: string,
	part: object = {},
) => [
	entry(first, {
		operationID,
		operation: { resource: resource(name, part), type: "creating" },
	}),
	entry(first + 1, {
		kind: 1,
		operationID,
		state: resource(name, part),
	}),
];

/** A list in an answer; empty where there is none. */
export const listIn = (json: Json | undefined): readonly Json[] =>
	Array.isArray(json) ? json : [];

/** The names of the resources in a stack's newest state, or in that of a version. */
export async function namesIn(
	door: Door,
	stack: string,
	version?: number,
): Promise<string[]> {
	const path = version === undefined ? "" : `/${version}`;
	const { body } = await door("GET", `${stack}/export${path}`);
	return listIn(body.deployment?.resources).map(
		({ urn }) => String(urn).split("::").at(-1) ?? "",
	);
}

export const sendEntries = (
	door: Door,
	update: Running,
	entries: unknown,
): Promise<Answer> =>
	door("PATCH", `${update.path}/journalentries`, {
		lease: update.lease,
		body: { entries },
		gzip: true,
	});

export const completeUpdate = (
	door: Door,
	update: Pick<Running, "path" | "lease">,
	status = "succeeded",
): Promise<Answer> =>
	door("POST", `${update.path}/complete`, {
		lease: update.lease,
		body: { status },
	});
