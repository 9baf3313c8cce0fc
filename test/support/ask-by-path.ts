// The client, asked in the words of HTTP: for tests whose tables hold methods and paths.
import assert from "node:assert/strict";
import type {
	CallOptions,
	Client,
	KnownOptions,
	Reply,
} from "../../client/client.ts";
import { api } from "../../src/contract/api.ts";
import type { Endpoint } from "../../src/contract/endpoint.ts";

type Options = CallOptions | KnownOptions;
type AnyCall = (asked: object, options?: Options) => Reply<unknown>;

/** What is found when it runs: types know of each endpoint what it is asked, and of none what all are. */
export const askAny = (
	client: Client,
	{ name }: Pick<Endpoint, "name">,
	asked: object,
	options?: Options,
): Reply<unknown> =>
	(client as unknown as Record<string, AnyCall>)[name]?.(asked, options) ??
	assert.fail(name);

const patterns = api.map((endpoint) => ({
	endpoint,
	// Of two that fit, the one with more in its own words is meant.
	weight: endpoint.path.replaceAll(/\{\w+\}/g, "").length,
	pattern: new RegExp(
		`^${endpoint.path
			.replaceAll(/[.*+?^$()|[\]\\]/g, "\\$&")
			.replaceAll(/\{(\w+)\}/g, "(?<$1>[^/:]+)")}$`,
	),
}));

/** Fails where the API has no such endpoint. */
export function askByPath(
	client: Client,
	[method, target, body]: readonly [string, string, unknown?],
	options?: Options,
): Reply<unknown> {
	const [path = "", query = ""] = target.split("?");
	const [found] = patterns
		.filter(
			({ endpoint, pattern }) =>
				endpoint.method === method && pattern.test(path),
		)
		.sort((a, b) => b.weight - a.weight);
	if (found === undefined) assert.fail(`There is no ${method} ${path}.`);
	const inPath = Object.entries(found.pattern.exec(path)?.groups ?? {});
	const search = new URLSearchParams(query);
	const inQuery = [...new Set(search.keys())].map((name) => [
		name,
		search.getAll(name),
	]);
	const asked = {
		...Object.fromEntries(inQuery),
		...Object.fromEntries(
			inPath.map(([name, value]) => [name, decodeURIComponent(value)]),
		),
		...(body !== undefined && { body }),
	};
	return askAny(client, found.endpoint, asked, options);
}
