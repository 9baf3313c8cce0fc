// An API server for what a real one cannot be made to do on demand: lists, watches, creates and deletes from
// memory, and can drop, forget, refuse, be slow and be away.
import { once } from "node:events";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { text } from "node:stream/consumers";

export interface FakeObject {
	readonly metadata: {
		readonly name: string;
		readonly namespace?: string;
		readonly uid?: string;
		readonly labels?: Readonly<Record<string, string>>;
		readonly [field: string]: unknown;
	};
	readonly [field: string]: unknown;
}

interface Change {
	readonly version: number;
	readonly type: "ADDED" | "MODIFIED" | "DELETED";
	readonly collection: string;
	readonly object: FakeObject;
}

export interface FakeRequest {
	readonly method: string;
	readonly path: string;
	readonly query: URLSearchParams;
	readonly body: unknown;
}

/** `undefined` leaves the answer to the server; a promise that never fulfils hangs. */
export type Intercept = (
	request: FakeRequest,
) =>
	| { status: number; body: unknown }
	| undefined
	| Promise<{ status: number; body: unknown } | undefined>;

interface OpenWatch {
	readonly response: ServerResponse;
	readonly collection: string;
	readonly matches: (object: FakeObject) => boolean;
}

const objectPath =
	/^\/(?<api>api\/v1|apis\/[^/]+\/[^/]+)\/(?:namespaces\/(?<namespace>[^/]+)\/)?(?<resource>[^/]+)(?:\/(?<name>[^/]+))?$/;

export type FakeApi = Awaited<ReturnType<typeof startFakeApi>>;

export async function startFakeApi() {
	let version = 100;
	/** Watches from a place before this one are told that it is gone. */
	let oldest = 0;
	const collections = new Map<string, Map<string, FakeObject>>();
	const changes: Change[] = [];
	const watches = new Set<OpenWatch>();
	const sockets = new Set<Socket>();
	const requests: FakeRequest[] = [];
	const control: { intercept: Intercept; isReady: boolean } = {
		intercept: () => undefined,
		isReady: true,
	};

	function record(
		type: Change["type"],
		collection: string,
		object: FakeObject,
	): FakeObject {
		version += 1;
		const stored = {
			...object,
			metadata: {
				uid: `uid-${collection}-${object.metadata.name}`,
				...object.metadata,
				resourceVersion: String(version),
			},
		};
		const objects = collections.get(collection) ?? new Map();
		collections.set(collection, objects);
		if (type === "DELETED") objects.delete(object.metadata.name);
		else objects.set(object.metadata.name, stored);
		changes.push({ version, type, collection, object: stored });
		for (const watch of watches) {
			if (watch.collection === collection && watch.matches(stored)) {
				writeLine(watch.response, { type, object: stored });
			}
		}
		return stored;
	}

	function put(collection: string, object: FakeObject): FakeObject {
		const isThere = collections.get(collection)?.has(object.metadata.name);
		return record(isThere ? "MODIFIED" : "ADDED", collection, object);
	}
	function remove(collection: string, name: string): void {
		const object = collections.get(collection)?.get(name);
		if (object !== undefined) record("DELETED", collection, object);
	}

	function openWatch(
		response: ServerResponse,
		collection: string,
		query: URLSearchParams,
	): void {
		const since = Number(query.get("resourceVersion") ?? 0);
		response.writeHead(200, { "content-type": "application/json" });
		response.flushHeaders();
		if (since < oldest) {
			const object = { kind: "Status", code: 410, reason: "Expired" };
			writeLine(response, { type: "ERROR", object });
			response.end();
			return;
		}
		const watch = { response, collection, matches: makeFilter(query) };
		for (const change of changes) {
			if (change.version <= since || change.collection !== collection) continue;
			if (watch.matches(change.object)) writeLine(response, change);
		}
		watches.add(watch);
		response.on("close", () => watches.delete(watch));
	}

	async function answer(message: IncomingMessage, response: ServerResponse) {
		const url = new URL(message.url ?? "/", "http://api");
		const raw = await text(message);
		const request: FakeRequest = {
			method: message.method ?? "",
			path: url.pathname,
			query: url.searchParams,
			body: raw === "" ? undefined : JSON.parse(raw),
		};
		requests.push(request);
		if (url.pathname === "/readyz") {
			return sendJson(response, {
				status: control.isReady ? 200 : 403,
				body: {},
			});
		}
		const special = await control.intercept(request);
		if (special !== undefined) return sendJson(response, special);
		const found = objectPath.exec(url.pathname)?.groups;
		if (found === undefined) return sendStatus(response, 404, "no such path");
		const { api = "", namespace, resource = "", name } = found;
		const isNamespace = resource === "namespaces";
		const prefix =
			namespace === undefined || isNamespace ? "" : `${namespace}/`;
		const collection = `${prefix}${api}/${resource}`;
		if (request.query.get("watch") === "true") {
			return openWatch(response, collection, request.query);
		}
		sendJson(response, serve(request, collection, name));
	}

	function serve(
		{ method, query, body }: FakeRequest,
		collection: string,
		name: string | undefined,
	): { status: number; body: unknown } {
		const objects = collections.get(collection) ?? new Map();
		if (method === "POST") {
			const object = body as FakeObject;
			if (objects.has(object.metadata.name)) {
				return makeStatus(409, "AlreadyExists");
			}
			return { status: 201, body: put(collection, object) };
		}
		if (name === undefined) {
			const items = [...objects.values()].filter(makeFilter(query));
			if (method === "DELETE") {
				for (const item of items) remove(collection, item.metadata.name);
			}
			const metadata = { resourceVersion: String(version) };
			return { status: 200, body: { metadata, items } };
		}
		const object = objects.get(name);
		if (object === undefined) return makeStatus(404, "NotFound");
		if (method !== "DELETE") return { status: 200, body: object };
		const deletionTimestamp = "2026-01-01T00:00:00Z";
		return {
			status: 200,
			body: put(collection, {
				...object,
				metadata: { ...object.metadata, deletionTimestamp },
			}),
		};
	}

	const server = http.createServer((message, response) => {
		answer(message, response).catch((error: unknown) => {
			sendStatus(response, 500, String(error));
		});
	});
	server.on("connection", (socket) => {
		sockets.add(socket);
		socket.on("close", () => sockets.delete(socket));
	});
	const listen = async (port: number) => {
		server.listen(port, "127.0.0.1");
		await once(server, "listening");
		return (server.address() as AddressInfo).port;
	};
	const port = await listen(0);
	const dropConnections = () => {
		watches.clear();
		for (const socket of sockets) socket.destroy();
	};
	const goAway = async () => {
		const closed = once(server, "close");
		server.close();
		dropConnections();
		await closed;
	};

	return {
		address: `http://127.0.0.1:${port}`,
		kubeconfig: makeKubeconfig(`http://127.0.0.1:${port}`),
		requests,
		control,
		/** Of namespaced objects: `ns/apis/apps/v1/deployments`; of namespaces: `api/v1/namespaces`. */
		put,
		remove,
		countWatches: () => watches.size,
		countConnections: () => sockets.size,
		dropConnections,
		/** Ends all watches as a server does when their time is over. */
		endWatches() {
			for (const { response } of watches) response.end();
			watches.clear();
		},
		/** Forgets the changes so far: nobody can go on from an earlier place. */
		forget() {
			changes.length = 0;
			oldest = version + 1;
			version += 1;
		},
		goAway,
		comeBack: () => listen(port),
		async stop() {
			if (server.listening) await goAway();
		},
	};
}

export const makeKubeconfig = (server: string): string =>
	JSON.stringify({
		apiVersion: "v1",
		kind: "Config",
		"current-context": "fake",
		contexts: [{ name: "fake", context: { cluster: "fake", user: "fake" } }],
		clusters: [{ name: "fake", cluster: { server } }],
		users: [{ name: "fake", user: { token: "a-very-secret-token" } }],
	});

export const makeStatus = (code: number, reason: string, message = reason) => ({
	status: code,
	body: { kind: "Status", status: "Failure", code, reason, message },
});

function makeFilter(query: URLSearchParams): (object: FakeObject) => boolean {
	const field = /^(.+)=(.+)$/.exec(query.get("fieldSelector") ?? "");
	const label = /^(.+)=(.+)$/.exec(query.get("labelSelector") ?? "");
	return (object) =>
		(field === null || readField(object, field[1] ?? "") === field[2]) &&
		(label === null || object.metadata.labels?.[label[1] ?? ""] === label[2]);
}

const readField = (object: FakeObject, path: string): unknown =>
	path
		.split(".")
		.reduce<unknown>(
			(part, name) => (part as Record<string, unknown> | undefined)?.[name],
			object,
		);

const writeLine = (response: ServerResponse, line: object): void => {
	response.write(`${JSON.stringify(line)}\n`);
};

function sendJson(
	response: ServerResponse,
	{ status, body }: { status: number; body: unknown },
): void {
	response.writeHead(status, { "content-type": "application/json" });
	response.end(typeof body === "string" ? body : JSON.stringify(body));
}

const sendStatus = (
	response: ServerResponse,
	code: number,
	message: string,
): void => sendJson(response, makeStatus(code, "Fake", message));
