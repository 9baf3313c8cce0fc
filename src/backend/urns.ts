// URNs in a state: renamed by aliases, and dropped where what they name is gone. Both as the CLI does it
// (pkg/backend/journal.go: rebuildDependencies; sdk/go/common/apitype: NormalizeURNReferences).
import type { Resource, Snippet } from "./deployment.ts";

const rootType = "pulumi:pulumi:Stack";

interface Urn {
	readonly stack: string;
	readonly project: string;
	readonly qualifiedType: string;
	readonly name: string;
}

/** urn:pulumi:stack::project::parentType$type::name; the name may contain "::". */
function parseUrn(urn: string): Urn {
	const [stack = "", project = "", qualifiedType = "", ...name] = urn
		.replace(/^urn:pulumi:/, "")
		.split("::");
	return { stack, project, qualifiedType, name: name.join("::") };
}

function composeUrn(parts: Urn, parentType: string): string {
	const type = parts.qualifiedType.split("$").at(-1) ?? "";
	return `urn:pulumi:${parts.stack}::${parts.project}::${parentType}$${type}::${parts.name}`;
}

/** Leaves out keys that have no value, as the CLI does. */
function withoutUndefined<T extends object>(value: T): T {
	return Object.fromEntries(
		Object.entries(value).filter(([, one]) => one !== undefined),
	) as T;
}

/**
 * Drops from every resource what it says of others that do not stand before it in the list: a refresh may
 * have found them gone. Lastly parents that are not in the list at all.
 */
export function dropDangling(resources: readonly Resource[]): Resource[] {
	const seen = new Set<string>();
	const keepSeen = (list: readonly string[] | null | undefined) => {
		const kept = (list ?? []).filter((urn) => seen.has(urn));
		return kept.length > 0 ? kept : undefined;
	};
	const linked = resources.map((resource) => {
		const { deletedWith } = resource;
		const properties = Object.entries(
			resource.propertyDependencies ?? {},
		).flatMap(([key, list]) => {
			const left = keepSeen(list);
			return left === undefined ? [] : [[key, left] as const];
		});
		const kept: Resource = {
			...resource,
			dependencies: keepSeen(resource.dependencies),
			replaceWith: keepSeen(resource.replaceWith),
			propertyDependencies:
				properties.length > 0 ? Object.fromEntries(properties) : undefined,
			deletedWith:
				deletedWith !== undefined && seen.has(deletedWith)
					? deletedWith
					: undefined,
		};
		seen.add(resource.urn);
		return kept;
	});
	return linked.map(({ parent, ...rest }) =>
		withoutUndefined({
			...rest,
			parent: parent !== undefined && seen.has(parent) ? parent : undefined,
		}),
	);
}

export interface Renamed {
	readonly resources: Resource[];
	readonly snippets: readonly Snippet[] | undefined;
	/** What could not be decided. */
	readonly problems: string[];
}

/** Applies the aliases: afterwards every URN in the list is the one its resource has now. */
export function applyAliases(
	resources: readonly Resource[],
	snippets: readonly Snippet[] | undefined,
): Renamed {
	const { renamed, problems } = collectAliases(resources);
	if (renamed.size === 0) {
		return { resources: resources.map(dropAliases), snippets, problems };
	}
	const fix = (urn: string) => renamed.get(urn) ?? urn;
	return {
		resources: resources.map((resource) => renameIn(resource, fix)),
		snippets: snippets?.map((snippet) => ({
			...snippet,
			...(snippet.references && {
				references: Object.fromEntries(
					Object.entries(snippet.references).map(([key, urn]) => [
						key,
						fix(urn),
					]),
				),
			}),
		})),
		problems,
	};
}

function collectAliases(resources: readonly Resource[]) {
	const renamed = new Map<string, string>();
	const problems: string[] = [];
	for (const { urn, aliases, parent } of resources) {
		for (const alias of aliases ?? []) {
			const other = renamed.get(alias);
			if (other !== undefined && other !== urn) {
				problems.push(`${other} and ${urn} have the same alias ${alias}`);
			}
			renamed.set(alias, urn);
		}
		// A child's URN contains its parent's type, so it changes with it.
		const newParent = parent === undefined ? undefined : renamed.get(parent);
		if (newParent === undefined) continue;
		const { qualifiedType } = parseUrn(newParent);
		if (qualifiedType === rootType) continue;
		renamed.set(urn, composeUrn(parseUrn(urn), qualifiedType));
	}
	return { renamed, problems };
}

function dropAliases(resource: Resource): Resource {
	if (resource.aliases == null) return resource;
	const { aliases: _, ...rest } = resource;
	return rest as Resource;
}

function renameIn(resource: Resource, fix: (urn: string) => string): Resource {
	const { parent, provider, deletedWith, viewOf } = resource;
	const fixOptional = (urn: string | undefined) =>
		urn === undefined ? undefined : fix(urn);
	return withoutUndefined({
		...dropAliases(resource),
		urn: fix(resource.urn),
		parent: fixOptional(parent),
		provider: provider && fixProvider(provider, fix),
		dependencies: resource.dependencies?.map(fix),
		propertyDependencies:
			resource.propertyDependencies &&
			Object.fromEntries(
				Object.entries(resource.propertyDependencies).map(([key, list]) => [
					key,
					(list ?? []).map(fix),
				]),
			),
		deletedWith: fixOptional(deletedWith),
		viewOf: fixOptional(viewOf),
	});
}

function fixProvider(reference: string, fix: (urn: string) => string): string {
	const at = reference.lastIndexOf("::");
	return at < 0
		? reference
		: `${fix(reference.slice(0, at))}${reference.slice(at)}`;
}
