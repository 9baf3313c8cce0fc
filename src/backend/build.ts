// What the entries of a journal have led to, and the state that it amounts to.
import type {
	Deployment,
	PendingOperation,
	Resource,
	State,
} from "./deployment.ts";
import { composeMagic } from "./integrity.ts";
import { applyAliases, dropDangling } from "./urns.ts";

export interface ReplayOptions {
	/** Of the client that wrote the journal; "" if unknown. */
	readonly clientVersion: string;
	readonly now: Date;
}

/** Everything that the entries so far have led to. */
export interface Ledger {
	base: Deployment;
	/** In order of their success; undefined where one was dropped again. */
	fresh: (Resource | undefined)[];
	/** Operation id → place in `fresh`. */
	placeOf: Map<number, number>;
	droppedOld: Set<number>;
	replacedOld: Map<number, Resource>;
	deletedOld: Set<number>;
	pendingOld: Set<number>;
	open: Map<number, PendingOperation | undefined>;
	extensions: Map<string, unknown>;
	wasRefreshed: boolean;
	needsByteString: boolean;
	readonly problems: string[];
}

/** What is forgotten when the base is rebuilt. */
export const createMarks = () => ({
	fresh: [] as (Resource | undefined)[],
	placeOf: new Map<number, number>(),
	droppedOld: new Set<number>(),
	replacedOld: new Map<number, Resource>(),
	deletedOld: new Set<number>(),
	pendingOld: new Set<number>(),
	open: new Map<number, PendingOperation | undefined>(),
	extensions: new Map<string, unknown>(),
});

/** The newest resources first, then what is left of the base. */
export function build(ledger: Ledger, options: ReplayOptions): State {
	const { base } = ledger;
	const merged = mergeResources(ledger);
	const pending = [
		...[...ledger.open.values()].filter((one) => one !== undefined),
		// What an earlier run was changing or deleting, this one has looked at.
		...(base.pending_operations ?? []).filter(
			({ type }) => type === "creating",
		),
	];
	const linked = ledger.wasRefreshed ? dropDangling(merged) : merged;
	const renamed = applyAliases(linked, base.snippets ?? undefined);
	ledger.problems.push(...renamed.problems);
	const extensions = new Map([
		...ledger.extensions,
		...Object.entries(base.extensions ?? {}),
	]);
	const { clientVersion } = options;
	const deployment: Deployment = {
		manifest: {
			time: options.now.toISOString(),
			magic: composeMagic(clientVersion),
			version: clientVersion,
		},
		...(base.secrets_providers && {
			secrets_providers: base.secrets_providers,
		}),
		...(renamed.resources.length > 0 && { resources: renamed.resources }),
		...(pending.length > 0 && { pending_operations: pending }),
		metadata: base.metadata ?? {},
		...(renamed.snippets?.length && { snippets: renamed.snippets }),
		...(extensions.size > 0 && {
			extensions: Object.fromEntries(extensions),
		}),
	};
	const features = listFeatures(
		[...merged, ...pending.map(({ resource }) => resource)],
		{
			needsByteString: ledger.needsByteString,
			hasSnippets: (renamed.snippets?.length ?? 0) > 0,
		},
	);
	return { version: features.length > 0 ? 4 : 3, features, deployment };
}

function mergeResources(ledger: Ledger): Resource[] {
	const merged = ledger.fresh.filter((one) => one !== undefined);
	for (const [index, resource] of (ledger.base.resources ?? []).entries()) {
		if (ledger.droppedOld.has(index)) continue;
		const replaced = ledger.replacedOld.get(index);
		if (replaced !== undefined) {
			merged.push(replaced);
			continue;
		}
		merged.push({
			...resource,
			...(ledger.pendingOld.has(index) && { pendingReplacement: true }),
			...(ledger.deletedOld.has(index) && { delete: true }),
		});
	}
	return merged;
}

/** What a client must understand to read the state (pkg/resource/stack: ApplyFeatures), sorted. */
function listFeatures(
	resources: readonly Resource[],
	whole: { readonly needsByteString: boolean; readonly hasSnippets: boolean },
): string[] {
	const uses: Record<string, (resource: Resource) => boolean> = {
		byteString: () => whole.needsByteString,
		extensionParameterization: ({ extensionRef }) => Boolean(extensionRef),
		hooks: ({ resourceHooks }) => Object.keys(resourceHooks ?? {}).length > 0,
		refreshBeforeUpdate: ({ refreshBeforeUpdate }) =>
			refreshBeforeUpdate === true,
		replaceWith: ({ replaceWith }) => (replaceWith?.length ?? 0) > 0,
		"snippets-prototype": ({ snippetID }) => Boolean(snippetID),
		taint: ({ taint }) => taint === true,
		views: ({ viewOf }) => Boolean(viewOf),
	};
	return Object.entries(uses)
		.filter(
			([feature, isUsed]) =>
				resources.some(isUsed) ||
				(feature === "snippets-prototype" && whole.hasSnippets),
		)
		.map(([feature]) => feature)
		.sort();
}
