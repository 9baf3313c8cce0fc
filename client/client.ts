// A client of the API for Node and browsers: a function for each endpoint, typed by its declaration.
//
//   const client = connect({ url: "https://maestro.example.com", token });
//   const ordered = await client.createEnvironment({ body: { name: "qa-1" } });
//   const ended = await client.waitForOperation(ordered.id);
//
// A call gives what was answered. Who needs more of it asks: `const { data, status, headers } = await client.x().withResponse()`.
import type {
	Answered,
	Asked,
	Chosen,
	Declared,
	Event,
	Line,
	Lined,
	Operation,
} from "./declared.ts";
import { followEvents } from "./events.ts";
import { readPieces } from "./pieces.ts";
import { makeReply, type Received, type Reply } from "./reply.ts";
import { type Connection, send } from "./requests.ts";

export { Problem } from "./problem.ts";
export type { Connection, Event, Line, Operation, Received, Reply };

export interface CallOptions {
	readonly signal?: AbortSignal;
	/** Made anew for each call by default; a call with the one of an earlier call is answered as that was. */
	readonly idempotencyKey?: string;
	/** An ETag, as `readEtag` gives it. Without one, a change that needs one is made whatever the thing is by now. */
	readonly ifMatch?: string;
	/** Sent besides, such as `traceparent`; these win over what the client sends itself. */
	readonly headers?: Readonly<Record<string, string>>;
}

/** Of who knows a thing already: it is answered only if it is another by now, and with `undefined` otherwise. */
export interface KnownOptions extends CallOptions {
	/** The ETag of what is known, as `readEtag` gives it. */
	readonly ifNoneMatch: string | undefined;
}

type Call<E> = E extends { readonly parts: unknown }
	? {
			<A extends Asked<E>>(
				asked: A,
				options: KnownOptions,
			): Reply<Chosen<E, A> | undefined>;
			<A extends Asked<E>>(
				asked?: A,
				options?: CallOptions,
			): Reply<Chosen<E, A>>;
		}
	: PlainCall<E>;

type PlainCall<E> =
	unknown extends Asked<E>
		? Ask<Answered<E>, [asked?: Record<never, never>]>
		: Record<never, never> extends Asked<E>
			? Ask<Answered<E>, [asked?: Asked<E>]>
			: Ask<Answered<E>, [asked: Asked<E>]>;

interface Ask<T, A extends unknown[]> {
	(...asked: [...Required<A>, options: KnownOptions]): Reply<T | undefined>;
	(...asked: [...A, options?: CallOptions]): Reply<T>;
}

export type Client = { readonly [K in keyof Declared]: Call<Declared[K]> } & {
	/** Events from behind the one with the id `after`, to the end of the operation or the environment. */
	events(
		of: { readonly operation: string } | { readonly environment: string },
		options?: { readonly after?: number; readonly signal?: AbortSignal },
	): AsyncGenerator<Event, void, void>;
	/** All of a list, oldest first, as it arrives. Who is cut off goes on `after` the `cursor` of the last line. */
	lines<K extends Lined>(
		name: K,
		asked?: Asked<Declared[K]>,
		options?: Pick<CallOptions, "signal" | "headers">,
	): AsyncGenerator<Line<K>, void, void>;
	/** Fulfils with the operation once it is final, however it ended. */
	waitForOperation(
		id: string,
		options?: { readonly signal?: AbortSignal },
	): Promise<Operation>;
};

interface Route {
	readonly method: string;
	readonly path: string;
}

type Routes = ReadonlyMap<string, Route>;

const etags = new WeakMap<object, string>();

/** The ETag with which a thing was answered. */
export const readEtag = (answer: object): string | undefined =>
	etags.get(answer);

/** Nothing is asked before the first call, which reads the service's own document unless it is at hand. */
export function connect(connection: Connection): Client {
	let routes: Promise<Routes> | undefined;
	const loadRoute = async (name: string): Promise<Route> => {
		routes ??= readRoutes(connection);
		const known = await routes.catch((error: unknown) => {
			routes = undefined;
			throw error;
		});
		const route = known.get(name);
		if (route === undefined)
			throw new Error(`the service at ${connection.url} has no ${name}`);
		return route;
	};
	const call = (
		name: string,
		asked: Readonly<Record<string, unknown>> = {},
		options: Partial<KnownOptions> = {},
	) =>
		makeReply(
			loadRoute(name).then((route) =>
				ask(connection, route, { asked, options }),
			),
		);
	const more: Pick<Client, "events" | "lines" | "waitForOperation"> = {
		events: (of, options) =>
			followEvents(
				connection,
				"operation" in of
					? `/v1/operations/${encodeURIComponent(of.operation)}/events`
					: `/v1/environments/${encodeURIComponent(of.environment)}/events`,
				options,
			),
		async *lines(name, asked, { signal, headers } = {}) {
			const { path } = await loadRoute(name);
			const response = await send(connection, compose(path, asked ?? {}), {
				headers: { accept: "application/x-ndjson", ...headers },
				...(signal && { signal }),
			});
			for await (const line of readPieces(response, "\n"))
				yield JSON.parse(line);
		},
		async waitForOperation(id, options) {
			for await (const _ of more.events({ operation: id }, options));
			return (await call("findOperation", { id }, options)) as Operation;
		},
	};
	return new Proxy(more, {
		get: (own, name) => {
			if (typeof name !== "string" || name === "then") return undefined;
			if (name in own) return own[name as keyof typeof own];
			return (
				asked?: Readonly<Record<string, unknown>>,
				options?: Partial<KnownOptions>,
			) => call(name, asked, options);
		},
	}) as Client;
}

async function readRoutes(connection: Connection): Promise<Routes> {
	const document =
		connection.document ??
		(await (await send(connection, "/v1/openapi.json", {})).json());
	const { paths } = document as {
		readonly paths: Record<string, Record<string, { operationId: string }>>;
	};
	return new Map(
		Object.entries(paths).flatMap(([path, methods]) =>
			Object.entries(methods).map(
				([method, { operationId }]) =>
					[operationId, { method: method.toUpperCase(), path }] as const,
			),
		),
	);
}

async function ask(
	connection: Connection,
	{ method, path }: Route,
	{
		asked: { body, ...asked },
		options,
	}: {
		readonly asked: Readonly<Record<string, unknown>>;
		readonly options: Partial<KnownOptions>;
	},
): Promise<Received<unknown>> {
	const { signal, idempotencyKey = crypto.randomUUID(), ifMatch } = options;
	const { ifNoneMatch } = options;
	const response = await send(connection, compose(path, asked), {
		method,
		headers: {
			accept: "application/json",
			...(method !== "GET" && { "idempotency-key": `"${idempotencyKey}"` }),
			...(ifMatch !== undefined && { "if-match": ifMatch }),
			...(ifMatch === undefined && method === "PATCH" && { "if-match": "*" }),
			...(ifNoneMatch !== undefined && { "if-none-match": ifNoneMatch }),
			...(body !== undefined && { "content-type": "application/json" }),
			...options.headers,
		},
		...(body !== undefined && { body: JSON.stringify(body) }),
		...(signal && { signal }),
	});
	const { status, headers } = response;
	if (status === 204 || status === 304)
		return { data: undefined, status, headers };
	const data = (await response.json()) as object;
	const etag = headers.get("etag");
	if (etag !== null) etags.set(data, etag);
	return { data, status, headers };
}

/** What the path does not name is in the query. */
function compose(
	path: string,
	asked: Readonly<Record<string, unknown>>,
): string {
	const inPath = new Set<string>();
	const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
		inPath.add(name);
		return encodeURIComponent(String(asked[name] ?? ""));
	});
	const query = new URLSearchParams(
		Object.entries(asked)
			.filter(([name, value]) => !inPath.has(name) && value !== undefined)
			.flatMap(([name, value]) =>
				[value].flat().map((one): [string, string] => [name, String(one)]),
			),
	).toString();
	return query === "" ? filled : `${filled}?${query}`;
}
