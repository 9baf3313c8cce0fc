// One look at one target. Cluster and account are listed first, and the database is asked after that: what was made
// meanwhile is not taken for a stray then.
import { bucketType, type Cloud, type OwnedStorage } from "../domain/aws.ts";
import type { Cluster, OwnedObject } from "../domain/cluster.ts";
import type { Environment } from "../domain/environment.ts";
import {
	findMissing,
	findStrayNamespaces,
	findStrayStorage,
	findUnknown,
	findUnknownStorage,
	type Leftover,
	leftoverLimit,
	type StateResource,
} from "../domain/leftover.ts";
import { readStorageName } from "../domain/names.ts";
import type { Target } from "../domain/target.ts";
import { Failure, recordFailure } from "../failure.ts";
import type { Db } from "../store/db.ts";
import {
	type LivingEnvironment,
	listLivingEnvironments,
} from "../store/environments.ts";
import { listStateResources } from "../store/state-resources.ts";
import { loadTargetAccess } from "../store/targets.ts";
import type { LookContext } from "./reach.ts";
import { openTarget } from "./target.ts";

/** How long cluster and account may take together, in milliseconds. */
export const lookMs = 10_000;

export interface TargetLook {
	readonly name: string;
	readonly cluster: string;
	/** Its cluster and, if it has one, its account answered. What one of them answered counts in any case. */
	readonly reachable: boolean;
	readonly error: string | null;
	readonly items: readonly Leftover[];
	/** There was so much that not all of it was asked for once more. */
	readonly isCut: boolean;
	/** The environments whose state was compared with what there is. */
	readonly compared: readonly string[];
}

interface SeenCluster {
	readonly connection: Cluster;
	readonly namespaces: readonly OwnedObject[];
	readonly objects: readonly OwnedObject[];
}

interface SeenAccount {
	readonly connection: Cloud;
	readonly storage: readonly OwnedStorage[];
}

interface Seen {
	readonly cluster: SeenCluster | null;
	readonly account: SeenAccount | null;
}

/** Throws only what the database throws. */
export async function lookAtTarget(
	context: LookContext,
	target: Target,
	environment: Environment | undefined,
): Promise<TargetLook> {
	const { db, sealKey, reach, log } = context;
	const signal = AbortSignal.timeout(lookMs);
	const access = await loadTargetAccess(db, target.id);
	const opened: { close(): void | Promise<void> }[] = [];
	const errors: string[] = [];
	const attempt = async <T>(part: () => Promise<T>): Promise<T | null> => {
		try {
			return await part();
		} catch (error) {
			if (!(error instanceof Failure)) {
				log.error({ err: error, target: target.name }, "a look failed");
			}
			errors.push(explain(error, signal));
			return null;
		}
	};
	try {
		const credentials = await attempt(async () =>
			openTarget(sealKey, target.name, access),
		);
		const aws = credentials?.aws ?? null;
		const [cluster, account] = await Promise.all([
			credentials &&
				attempt(async () => {
					const connection = await reach.connectCluster(credentials.kubeconfig);
					opened.push(connection);
					return seeCluster(connection, environment, signal);
				}),
			aws &&
				attempt(async () => {
					const connection = await reach.connectCloud(aws);
					opened.push(connection);
					return seeAccount(connection, environment, signal);
				}),
		]);
		const found = await compare(
			db,
			{ cluster, account },
			{
				place: { target: target.name, cluster: access.clusterIdentifier },
				environment,
			},
		);
		const items = found.items.slice(0, leftoverLimit);
		const doubtful = items.filter(isDoubtful);
		const confirmed = await attempt(() =>
			confirm(doubtful, { cluster, account }, signal),
		);
		return {
			name: target.name,
			cluster: access.clusterIdentifier,
			reachable: errors.length === 0,
			error: errors.length === 0 ? null : errors.join(" "),
			items: [
				...items.filter((item) => !isDoubtful(item)),
				...(confirmed ?? []),
			],
			isCut: found.items.length > leftoverLimit,
			compared: found.compared,
		};
	} finally {
		await Promise.allSettled(opened.map((one) => one.close()));
	}
}

function explain(error: unknown, signal: AbortSignal): string {
	return signal.aborted
		? `It did not answer all that was asked within ${lookMs / 1000} s. Ask for one environment at a time.`
		: recordFailure(error).message;
}

async function seeCluster(
	connection: Cluster,
	environment: Environment | undefined,
	signal: AbortSignal,
): Promise<SeenCluster> {
	const [namespaces, objects] = await Promise.all([
		connection.listNamespaces(signal),
		connection.listObjects(environment?.namespace, signal),
	]);
	return {
		connection,
		namespaces: namespaces.filter(
			(one) => environment === undefined || one.environment === environment.id,
		),
		objects,
	};
}

async function seeAccount(
	connection: Cloud,
	environment: Environment | undefined,
	signal: AbortSignal,
): Promise<SeenAccount> {
	const storage =
		environment === undefined
			? await connection.listOwned(signal)
			: await connection.findOwned(environment.id, signal);
	return { connection, storage };
}

async function compare(
	db: Db,
	{ cluster, account }: Seen,
	of: {
		readonly place: { readonly target: string; readonly cluster: string };
		readonly environment: Environment | undefined;
	},
): Promise<{ items: Leftover[]; compared: string[] }> {
	const { place, environment } = of;
	const living = await listLivingEnvironments(db);
	const items = [
		...findStrayNamespaces(place, cluster?.namespaces ?? [], living),
		...findStrayStorage(place.target, account?.storage ?? [], living),
	];
	const own = living
		.filter(({ target }) => target === place.target)
		.filter(
			(one) => environment === undefined || one.environment === environment.id,
		);
	const byNamespace = Map.groupBy(
		cluster?.objects ?? [],
		({ namespace }) => namespace,
	);
	for await (const [one, state] of readStates(db, own)) {
		const namespace = cluster?.namespaces.find(
			({ name }) => name === one.namespace,
		);
		const objects = byNamespace.get(one.namespace) ?? [];
		const inCluster = cluster && [
			...(namespace ? [namespace] : []),
			...objects,
		];
		items.push(
			...findMissing(one, state, {
				objects: inCluster,
				storage: account?.storage ?? null,
			}),
			...findUnknown(one, state, { namespace, objects }),
			...findUnknownStorage(one, state, account?.storage ?? []),
		);
	}
	return { items, compared: own.map((one) => one.environment) };
}

/** So many at a time that neither the database nor we are kept long by one question. */
const statesAtOnce = 50;

async function* readStates(
	db: Db,
	living: readonly LivingEnvironment[],
): AsyncGenerator<[LivingEnvironment, readonly StateResource[]]> {
	for (let at = 0; at < living.length; at += statesAtOnce) {
		const some = living.slice(at, at + statesAtOnce);
		const states = await listStateResources(
			db,
			some.map(({ environment }) => environment),
		);
		for (const one of some) yield [one, states.get(one.environment) ?? []];
	}
}

/** What seems missing may have lost its labels only; a bucket with backups may have been left on purpose. */
const isDoubtful = ({ finding, kind, name }: Leftover): boolean =>
	finding === "missing" ||
	(kind === bucketType && readStorageName(name)?.purpose === "backups");

/** How many are asked for at the same time. */
const confirmedAtOnce = 20;

/** Asks once more, by name: returns those that are as they seemed. */
async function confirm(
	items: readonly Leftover[],
	seen: Seen,
	signal: AbortSignal,
): Promise<Leftover[]> {
	const confirmed: Leftover[] = [];
	for (let at = 0; at < items.length; at += confirmedAtOnce) {
		const some = items.slice(at, at + confirmedAtOnce);
		const answers = await Promise.all(
			some.map((item) => isSo(item, seen, signal)),
		);
		confirmed.push(...some.filter((_, index) => answers[index]));
	}
	return confirmed;
}

async function isSo(
	item: Leftover,
	{ cluster, account }: Seen,
	signal: AbortSignal,
): Promise<boolean> {
	const { finding, kind, name, environment } = item;
	if (finding !== "missing") {
		return (await account?.connection.isKept(name, signal)) === false;
	}
	if (!kind.startsWith("aws:")) {
		// Undefined for a kind that was not listed: nothing is known of it.
		return (await cluster?.connection.hasObject(item, signal)) === false;
	}
	const found = await account?.connection.findOwned(environment ?? "", signal);
	return found?.every((one) => one.kind !== kind || one.name !== name) ?? false;
}
