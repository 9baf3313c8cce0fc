// The API on a free port, on a database of its own, with two tenants and someone of every role.
import { randomBytes, randomUUID } from "node:crypto";
import { type Client, connect, Problem } from "../../client/client.ts";
import { makeCluster } from "../../src/cluster/connect.ts";
import type { KeptBackup } from "../../src/domain/backup.ts";
import type { EnvironmentId, OperationId } from "../../src/domain/ids.ts";
import type { Operation } from "../../src/domain/operation.ts";
import { type Actor, platformTenant } from "../../src/domain/tenant.ts";
import { openFeed } from "../../src/feed/listen.ts";
import { makeGate } from "../../src/http/rate-limit.ts";
import { makeServer, type ServerOptions } from "../../src/http/server.ts";
import { upgradeEnvironment } from "../../src/operations/upgrade.ts";
import { openSharedCounts } from "../../src/rates/counts.ts";
import {
	defaultRates,
	makeRateLimits,
	type RateSettings,
} from "../../src/rates/limits.ts";
import { recordBackup } from "../../src/store/backups.ts";
import type { Db } from "../../src/store/db.ts";
import {
	loadEnvironment,
	updateEnvironment,
} from "../../src/store/environments.ts";
import { type Answer, routes } from "../support/answers.ts";
import {
	createTestDatabase,
	openTestDatabase,
	type TestDatabase,
} from "../support/database.ts";
import { scriptedBackup } from "../support/engine.ts";
import {
	givenActor,
	givenInstallation,
	givenOrder,
	type Installation,
	noReach,
} from "../support/given.ts";
import { loadOrdered } from "../support/ordered.ts";
import { assertPromised } from "./promised.ts";

export type { Answer };

export interface Person {
	readonly actor: Actor;
	readonly token: string;
	readonly client: Client;
}

export interface LogLine {
	readonly level: "info" | "warn" | "error";
	readonly fields: Record<string, unknown>;
	readonly message: string;
}

export interface Door {
	readonly url: string;
	readonly port: number;
	readonly db: Db;
	readonly databaseUrl: string;
	readonly installation: Installation;
	readonly log: LogLine[];
	/** How many followers wait for news of an environment. */
	countFollowers(): number;
	/** Of the tenant `acme`. */
	readonly viewer: Person;
	readonly operator: Person;
	readonly admin: Person;
	/** An admin of another tenant, `globex`. */
	readonly stranger: Person;
	readonly platformAdmin: Person;
	/** The client of whoever has this token, or none; it asks once. What it is answered is held against the document. */
	as(token?: string): Client;
	/** For what the client refuses to send, or cannot show; `test/client/raw.test.ts` lists who may. */
	sendRaw(method: string, path: string, request?: RawRequest): Promise<Answer>;
	/** As a process does first that is told to stop. */
	drain(): void;
	closeServer(): Promise<void>;
	close(): Promise<void>;
}

export interface RawRequest {
	readonly token?: string | undefined;
	/** Sent as JSON. */
	readonly body?: unknown;
	/** Sent as it is. */
	readonly raw?: string | Uint8Array;
	readonly headers?: Readonly<Record<string, string>>;
}

interface DoorOptions
	extends Partial<
		Pick<
			ServerOptions,
			| "limits"
			| "reach"
			| "trustedProxies"
			| "onDenied"
			| "verifier"
			| "servesMetrics"
			| "corsOrigins"
			| "webhookTargets"
			| "readinessChecks"
		>
	> {
	/** Requests are counted, and these are the limits that are not as by default. */
	readonly rates?: Partial<RateSettings>;
	/** Where they are counted, if not in the database. */
	readonly countsUrl?: string;
}

export async function openDoor(options: DoorOptions = {}): Promise<Door> {
	const database = await createTestDatabase();
	const installation = await givenInstallation(database.db);
	const { db } = database;
	return serve(options, {
		database,
		installation,
		viewer: await givenActor(db, "acme", "viewer"),
		operator: await givenActor(db, "acme", "operator"),
		admin: await givenActor(db, "acme", "admin"),
		stranger: await givenActor(db, "globex", "admin"),
		platformAdmin: await givenActor(db, platformTenant, "platform-admin"),
	});
}

/** Another process's door to the same database; closed before the other one. */
export async function openDoorBeside(
	door: Door,
	options: DoorOptions = {},
): Promise<Door> {
	const { databaseUrl, ...house } = door;
	const database = openTestDatabase(databaseUrl);
	return serve(options, {
		...house,
		database,
		installation: { ...door.installation, db: database.db },
	});
}

interface House
	extends Pick<Door, "installation">,
		Readonly<
			Record<
				"viewer" | "operator" | "admin" | "stranger" | "platformAdmin",
				Omit<Person, "client">
			>
		> {
	readonly database: TestDatabase;
}

async function serve(
	{ rates, countsUrl, ...options }: DoorOptions,
	house: House,
): Promise<Door> {
	const { database, installation } = house;
	const { db } = database;
	const log: LogLine[] = [];
	const note = (level: LogLine["level"]) => (fields: object, message: string) =>
		log.push({ level, fields: { ...fields }, message });
	const realFeed = openFeed({ url: database.url, db, onError: () => {} });
	let followers = 0;
	const feed: typeof realFeed = {
		...realFeed,
		subscribe(environment, wake) {
			followers++;
			const unsubscribe = realFeed.subscribe(environment, wake);
			return () => {
				followers--;
				unsubscribe();
			};
		},
	};
	const counts = openSharedCounts({
		url: countsUrl ?? database.url,
		// What a busy machine holds up is not away.
		patienceMs: 30_000,
		onError: () => {},
	});
	const doorLog = {
		info: note("info"),
		warn: note("warn"),
		error: note("error"),
	};
	const settings = { ...defaultRates, ...rates };
	const server = makeServer({
		db,
		...(rates && {
			gate: makeGate(makeRateLimits({ counts, settings, log: doorLog })),
		}),
		feed,
		verbs: installation,
		reach: { ...noReach, connectCluster: async (text) => makeCluster(text) },
		pageKey: randomBytes(32),
		log: doorLog,
		version: "1.2.3",
		...options,
		// What a busy machine holds up is there all the same.
		limits: { readyWithinMs: 30_000, ...options.limits },
	});
	const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
	const url = `http://127.0.0.1:${port}`;
	const as = (token?: string) =>
		connect({ url, token, attempts: 1, document: routes, fetch: askPromised });
	const enter = (person: Omit<Person, "client">): Person => ({
		...person,
		client: as(person.token),
	});
	let isOpen = true;
	const closeServer = async () => {
		if (isOpen) await server.close();
		isOpen = false;
	};
	return {
		url,
		port,
		db,
		databaseUrl: database.url,
		installation,
		log,
		countFollowers: () => followers,
		viewer: enter(house.viewer),
		operator: enter(house.operator),
		admin: enter(house.admin),
		stranger: enter(house.stranger),
		platformAdmin: enter(house.platformAdmin),
		as,
		sendRaw: (method, path, request = {}) =>
			sendRaw(`${url}${path}`, method, request),
		drain: () => server.drain(),
		closeServer,
		async close() {
			await closeServer();
			await counts.close();
			await feed.close();
			await database.close();
		},
	};
}

/** Streams are left to who reads them. */
const askPromised: typeof fetch = async (input, init) => {
	const response = await fetch(input, init);
	const type = response.headers.get("content-type") ?? "";
	if (type.startsWith("text/event-stream")) return response;
	const text = await response.clone().text();
	const { status, headers } = response;
	const answer = { status, headers, text, body: readBody(type, text) };
	assertPromised(init?.method ?? "GET", new URL(String(input)), answer);
	return response;
};

/** {} if it is no JSON value, as a page and lines are none. */
const readBody = (type: string, text: string) =>
	/\bjson\b/.test(type) && text !== "" ? JSON.parse(text) : {};

async function sendRaw(
	url: string,
	method: string,
	request: RawRequest,
): Promise<Answer> {
	const body =
		request.raw ??
		(request.body === undefined ? undefined : JSON.stringify(request.body));
	const response = await fetch(url, {
		method,
		headers: {
			...(request.token && { authorization: `Bearer ${request.token}` }),
			...(body !== undefined && { "content-type": "application/json" }),
			// Whatever the thing is by now.
			...(method === "PATCH" && { "if-match": "*" }),
			// What machines cannot do without.
			...(method === "POST" &&
				url.endsWith("/v1/environments") && {
					"idempotency-key": randomUUID(),
				}),
			...request.headers,
		},
		...(body !== undefined && { body }),
	});
	const text = await response.text();
	const type = response.headers.get("content-type") ?? "";
	const answer = {
		status: response.status,
		headers: response.headers,
		text,
		body: readBody(type, text),
	};
	if (method !== "HEAD") assertPromised(method, new URL(url), answer);
	return answer;
}

let ordered = 0;

/** An environment of acme's, and its first operation, which nobody works on. */
export async function givenEnvironment(
	door: Door,
	name = `env-${++ordered}`,
	actor = door.operator.actor,
) {
	const operation: Operation = await givenOrder(door.installation, actor, name);
	const environment = await loadEnvironment(door.db, operation.environment);
	return { environment, operation };
}

/** An environment of acme's as it is after its create, at revision 1. */
export async function givenReadyEnvironment(door: Door, name?: string) {
	const { environment, operation } = await givenEnvironment(door, name);
	await door.db
		.updateTable("operations")
		.set({ started_at: new Date(), is_touched: true })
		.where("id", "=", operation.id)
		.execute();
	await endOperation(door.db, operation.id);
	await updateEnvironment(door.db, environment.id, {
		lifecycle: "ready",
		health: "healthy",
		revision: 1,
	});
	return loadEnvironment(door.db, environment.id);
}

/** A backup of the environment's revision 1, as the operation that created it would have made it. */
export async function givenBackup(
	{ db }: Door,
	environment: EnvironmentId,
): Promise<KeptBackup> {
	const { id } = await db
		.selectFrom("operations")
		.select("id")
		.where("environment_id", "=", environment)
		.orderBy("sequence")
		.limit(1)
		.executeTakeFirstOrThrow();
	return recordBackup(db, {
		...scriptedBackup,
		environment,
		operation: id,
		revision: 1,
		release: "0.6.0",
		reason: "on_demand",
		place: "claim",
		takenAt: new Date(),
		retentionDays: 14,
	});
}

/** One that was ready and was upgraded, to its end. */
export async function givenUpgradedEnvironment(door: Door, name?: string) {
	const environment = await givenReadyEnvironment(door, name);
	const { id, revisionTo } = loadOrdered(
		await upgradeEnvironment(door.installation, door.operator.actor, {
			environment,
			change: { parameters: { theme: "dark" } },
		}),
	);
	await door.db
		.updateTable("operations")
		.set({ started_at: new Date(), is_touched: true })
		.where("id", "=", id)
		.execute();
	await endOperation(door.db, id);
	await updateEnvironment(door.db, environment.id, {
		lifecycle: "ready",
		revision: revisionTo,
	});
	return loadEnvironment(door.db, environment.id);
}

/** Ends an operation as a worker would, without what a worker does before. */
export async function endOperation(db: Db, id: OperationId): Promise<void> {
	await db
		.updateTable("operations")
		.set({ state: "succeeded", finished_at: new Date() })
		.where("id", "=", id)
		.execute();
}

/** The pointers of a problem's errors, sorted. */
export function readPointers(told: Answer | Problem): string[] {
	const { errors } = told instanceof Problem ? told.document : told.body;
	if (!Array.isArray(errors)) return [];
	return errors.map((error: { pointer: string }) => error.pointer).sort();
}
