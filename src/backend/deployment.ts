// A state as the Pulumi CLI writes it (sdk/go/common/apitype/core.go: DeploymentV3), and what may be done to
// one without the CLI. Only what is needed here is named; everything else is carried along untouched.
import { z } from "zod";

export interface Resource {
	readonly urn: string;
	readonly type: string;
	readonly custom?: boolean | undefined;
	readonly id?: string | undefined;
	readonly delete?: boolean | undefined;
	readonly pendingReplacement?: boolean | undefined;
	readonly parent?: string | undefined;
	/** URN and id, joined by "::". */
	readonly provider?: string | undefined;
	readonly dependencies?: readonly string[] | null | undefined;
	readonly propertyDependencies?:
		| Readonly<Record<string, readonly string[] | null>>
		| null
		| undefined;
	readonly replaceWith?: readonly string[] | null | undefined;
	readonly deletedWith?: string | undefined;
	readonly viewOf?: string | undefined;
	readonly aliases?: readonly string[] | null | undefined;
	readonly [property: string]: unknown;
}

/** Something that the engine had begun and not ended. */
export interface PendingOperation {
	readonly resource: Resource;
	readonly type: string;
}

export interface SecretsProvider {
	readonly type: string;
	readonly state?: unknown;
}

export interface Snippet {
	readonly references?: Readonly<Record<string, string>> | null | undefined;
	readonly [property: string]: unknown;
}

export interface Deployment {
	readonly manifest?: {
		readonly magic?: string | undefined;
		readonly version?: string | undefined;
		readonly [property: string]: unknown;
	};
	readonly secrets_providers?: SecretsProvider | null | undefined;
	readonly resources?: readonly Resource[] | null | undefined;
	readonly pending_operations?: readonly PendingOperation[] | null | undefined;
	readonly metadata?: unknown;
	readonly snippets?: readonly Snippet[] | null | undefined;
	readonly extensions?: Readonly<Record<string, unknown>> | null | undefined;
	readonly [property: string]: unknown;
}

/** A deployment with the version of its schema: 4 if it uses features that older clients must refuse, else 3. */
export interface State {
	readonly version: number;
	readonly features: readonly string[];
	readonly deployment: Deployment;
}

export const emptyState: State = { version: 3, features: [], deployment: {} };

const urns = z.array(z.string()).nullish();

// These schemas only check: what is kept is the value that was sent, never a copy that zod made of it.
export const resourceShape = z.looseObject({
	urn: z.string(),
	type: z.string(),
	custom: z.boolean().optional(),
	id: z.string().optional(),
	parent: z.string().optional(),
	provider: z.string().optional(),
	dependencies: urns,
	propertyDependencies: z
		.record(z.string(), z.array(z.string()).nullable())
		.nullish(),
	replaceWith: urns,
	deletedWith: z.string().optional(),
	viewOf: z.string().optional(),
	aliases: urns,
});

export const operationShape = z.looseObject({
	resource: resourceShape,
	type: z.string(),
});

export const secretsProviderShape = z.looseObject({ type: z.string() });

export const snippetsShape = z.array(
	z.looseObject({ references: z.record(z.string(), z.string()).nullish() }),
);

export const deploymentShape = z.looseObject({
	manifest: z
		.looseObject({
			magic: z.string().optional(),
			version: z.string().optional(),
		})
		.optional(),
	secrets_providers: secretsProviderShape.nullish(),
	resources: z.array(resourceShape).nullish(),
	pending_operations: z.array(operationShape).nullish(),
	snippets: snippetsShape.nullish(),
	extensions: z.record(z.string(), z.unknown()).nullish(),
});

export const stateShape = z.object({
	version: z.int().min(1).max(4),
	features: z.array(z.string()).nullish(),
	deployment: deploymentShape.nullish(),
});

/** What marks a secret in a state (sdk/go/common/resource: SecretSig). */
const secretMark = "1b47061264138c4ac30d75fd1eb44270";

/** Where a stack's secrets are decrypted. */
export interface SecretsPlace {
	readonly url: string;
	readonly owner: string;
	readonly project: string;
	readonly stack: string;
}

/**
 * Lets the client decrypt the state's secrets where it got the state from. The state remembers the address
 * and the stack of its last run, and a client asks exactly there. A state with secrets that names no
 * provider gets ours: a lost first batch must not lock a stack up. Providers of other types stay.
 */
export function placeSecrets(
	deployment: Deployment,
	place: SecretsPlace,
): Deployment {
	const provider = deployment.secrets_providers ?? undefined;
	if (provider === undefined) {
		if (!JSON.stringify(deployment).includes(secretMark)) return deployment;
		return {
			...deployment,
			secrets_providers: { type: "service", state: place },
		};
	}
	if (provider.type !== "service") return deployment;
	const state = typeof provider.state === "object" ? provider.state : {};
	return {
		...deployment,
		secrets_providers: { type: "service", state: { ...state, ...place } },
	};
}

/**
 * Forgets creates that were in flight when a client died; it would be warned of them for ever. `settled`:
 * those whose resource has appeared since. `all`: for a run whose creates adopt what is there.
 */
export function forgetPending(
	deployment: Deployment,
	which: "settled" | "all",
): Deployment {
	const pending = deployment.pending_operations ?? [];
	if (pending.length === 0) return deployment;
	const alive = new Set(
		(deployment.resources ?? [])
			.filter((resource) => resource.delete !== true)
			.map((resource) => resource.urn),
	);
	const kept = pending.filter(
		({ type, resource }) =>
			type !== "creating" || (which === "settled" && !alive.has(resource.urn)),
	);
	if (kept.length === pending.length) return deployment;
	const { pending_operations: _, ...rest } = deployment;
	return kept.length === 0 ? rest : { ...rest, pending_operations: kept };
}
