// What the CLI checks when it loads a state, and never when it journals one (pkg/resource/stack/snapshot:
// VerifyIntegrity). Found here first, a flaw is told while the journal that made it is still there.
import { createHash } from "node:crypto";
import type { Deployment, Resource } from "./deployment.ts";

/** The manifest's check sum of its version: a state in which they differ is refused by the CLI. */
export const composeMagic = (version: string): string =>
	version === "" ? "" : createHash("sha256").update(version).digest("hex");

/** Why the CLI would refuse to load this state. Empty: it would not. */
export function findFlaws(deployment: Deployment): string[] {
	const { manifest, resources, snippets } = deployment;
	const flaws: string[] = [];
	if ((manifest?.magic ?? "") !== composeMagic(manifest?.version ?? "")) {
		flaws.push("the manifest's magic does not fit its version");
	}
	const seen = new Map<string, Resource[]>();
	const providers = new Set<string>();
	for (const resource of resources ?? []) {
		flaws.push(...findResourceFlaws(resource, seen, providers));
		seen.set(resource.urn, [...(seen.get(resource.urn) ?? []), resource]);
	}
	for (const [urn, states] of seen) {
		if (states.filter((state) => state.delete !== true).length > 1) {
			flaws.push(`${urn} is there more than once`);
		}
	}
	const ids = (snippets ?? []).map((snippet) => snippet.uuid);
	if (ids.some((id) => !id) || new Set(ids).size < ids.length) {
		flaws.push("snippets have no ids of their own");
	}
	return flaws;
}

function findResourceFlaws(
	resource: Resource,
	seen: ReadonlyMap<string, unknown>,
	providers: Set<string>,
): string[] {
	const { urn, type, id, provider } = resource;
	const flaws: string[] = [];
	if (urn === "" || type === "") flaws.push(`"${urn}" has no URN or no type`);
	if (resource.custom !== true && id) flaws.push(`component ${urn} has an id`);
	if (type.startsWith("pulumi:providers:")) providers.add(`${urn}::${id}`);
	if (
		provider &&
		!providers.has(provider) &&
		resource.pendingReplacement !== true
	) {
		flaws.push(`${urn} names the provider ${provider}, which is not before it`);
	}
	const named = new Set([
		resource.parent ?? "",
		...(resource.dependencies ?? []),
		...Object.values(resource.propertyDependencies ?? {}).flatMap(
			(list) => list ?? [],
		),
		resource.deletedWith ?? "",
	]);
	for (const other of named) {
		if (other === "" || seen.has(other)) continue;
		flaws.push(`${urn} names ${other}, which is not before it`);
	}
	return flaws;
}
