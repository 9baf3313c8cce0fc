// Reads the live objects of an environment and compares them with what was declared.
import type { DeclaredObject, DriftItem } from "../domain/drift.ts";
import type { Client } from "./client.ts";
import {
	compareObject,
	findContext,
	type Live,
	normalize,
	sortItems,
} from "./drift.ts";
import { findAdditions, makeRemoval } from "./drift-additions.ts";
import { makeUnavailable } from "./failures.ts";
import { composePath, resources } from "./leftovers.ts";

/** See `Cluster.findDrift`. Objects of a kind that environments do not consist of are left out. */
export async function findDrift(
	client: Client,
	declared: readonly DeclaredObject[],
	signal: AbortSignal,
): Promise<readonly DriftItem[]> {
	const known = declared.filter(({ kind }) => findResource(kind) !== undefined);
	const context = findContext(declared);
	const live = await readLive(client, known, signal);
	return sortItems(
		known.flatMap((one) =>
			compareObject(one, live.get(identify(one)), context),
		),
	);
}

/** See `Cluster.removeAdditions`. */
export async function removeAdditions(
	client: Client,
	{
		declared,
		items,
	}: {
		readonly declared: readonly DeclaredObject[];
		readonly items: readonly DriftItem[];
	},
	signal: AbortSignal,
): Promise<void> {
	const concerned = new Set(
		items
			.filter(({ wanted }) => wanted === null)
			.map(({ kind, name }) => `${kind} ${name}`),
	);
	for (const one of declared) {
		if (!concerned.has(`${one.kind} ${one.name}`)) continue;
		await removeFrom(client, one, signal);
	}
}

async function removeFrom(
	client: Client,
	declared: DeclaredObject,
	signal: AbortSignal,
): Promise<void> {
	const path = `${findCollection(declared)}/${declared.name}`;
	const what = `${declared.kind} ${declared.name}`;
	const found = await client.send<Live>({ what: `get ${what}`, path, signal });
	if (!found.ok) return;
	const additions = findAdditions(normalize(declared.content), found.body);
	if (additions.length === 0) return;
	const answer = await client.send({
		what: `patch ${what}`,
		method: "PATCH",
		path,
		query: { fieldManager: "impresario" },
		body: makeRemoval(found.body, additions),
		signal,
	});
	// Somebody wrote at the same time; the next attempt sees what.
	if (!answer.ok && answer.status === 409) {
		throw makeUnavailable(
			client.address,
			`${what} is changed by somebody else`,
		);
	}
}

const findResource = (kind: string): string | undefined =>
	kind === "v1/Namespace" ? "namespaces" : resources[kind];

const findCollection = ({ kind, namespace }: DeclaredObject): string =>
	composePath({
		kind,
		namespace: namespace ?? undefined,
		resource: findResource(kind) ?? "",
	});

const identify = ({ kind, namespace, name }: DeclaredObject): string =>
	`${kind} ${namespace ?? ""} ${name}`;

/** One list for each kind and namespace; a namespace by its name, since others' are nobody's business. */
async function readLive(
	client: Client,
	declared: readonly DeclaredObject[],
	signal: AbortSignal,
): Promise<Map<string, Live>> {
	const groups = Map.groupBy(declared, findCollection);
	const found = await Promise.all(
		[...groups].map(async ([path, group]) => {
			const [first] = group;
			if (first === undefined) return [];
			const single = first.namespace === null;
			const answer = await client.send<{ items?: readonly Live[] } & Live>({
				what: `read ${path}`,
				path: single ? `${path}/${first.name}` : path,
				signal,
			});
			// A kind that the cluster does not know any more has no objects there.
			if (!answer.ok) return [];
			const items = single ? [answer.body] : (answer.body.items ?? []);
			return items.map(
				(live) =>
					[
						identify({ ...first, name: live.metadata?.name ?? "" }),
						live,
					] as const,
			);
		}),
	);
	return new Map(found.flat());
}
