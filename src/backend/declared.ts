// What a stack's state says was applied to the cluster, for who compares it with what is there. The service itself
// opens the secrets: what is compared has to be known.
import type { DeclaredObject } from "../domain/drift.ts";
import { findStack, type StackName } from "../store/state.ts";
import { findCheckpoint } from "../store/state-checkpoints.ts";
import type { Backend } from "./bind.ts";
import { makeOpener } from "./crypto.ts";
import type { Deployment, Resource } from "./deployment.ts";
import { endGone } from "./known.ts";

// How Pulumi marks special values in a state (sdk/go/common/resource/sig).
const signature = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";

/** Of the newest state; nothing where there is no such stack. An update whose client's time is over is ended first. */
export async function readDeclared(
	backend: Backend,
	name: StackName,
): Promise<readonly DeclaredObject[]> {
	const stack = await findStack(backend.db, { of: "all" }, name);
	if (stack === undefined) return [];
	await endGone(backend, stack.id);
	const kept = await findCheckpoint(backend.db, stack.id);
	if (kept === undefined) return [];
	const deployment: Deployment = JSON.parse(kept.deployment);
	const open = makeOpener({ backend, stack });
	return (deployment.resources ?? []).flatMap((resource) =>
		isObject(resource) ? toDeclared(resource, open) : [],
	);
}

const isObject = ({ type, custom, delete: isGoing, id }: Resource): boolean =>
	type.startsWith("kubernetes:") &&
	custom === true &&
	isGoing !== true &&
	id !== undefined;

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
	typeof value === "object" && value !== null && !Array.isArray(value);

function toDeclared(
	resource: Resource,
	open: (ciphertext: string) => string,
): DeclaredObject[] {
	const secrets: string[] = [];
	const content = reveal(resource.inputs, "", {
		open,
		note: (path) => secrets.push(path),
	});
	if (!isFields(content) || !isFields(content.metadata)) return [];
	const { apiVersion, kind, metadata } = content;
	if (typeof metadata.name !== "string") return [];
	return [
		{
			kind: `${apiVersion}/${kind}`,
			namespace:
				typeof metadata.namespace === "string" ? metadata.namespace : null,
			name: metadata.name,
			content,
			secrets,
		},
	];
}

interface Reading {
	readonly open: (ciphertext: string) => string;
	/** Told the place of each secret. */
	readonly note: (path: string) => void;
}

/** A value without the engine's marks: secrets opened, and its own notes (`__defaults`, `__fieldManager`) left out. */
function reveal(value: unknown, path: string, reading: Reading): unknown {
	if (Array.isArray(value)) {
		return value.map((item, at) => reveal(item, `${path}/${at}`, reading));
	}
	if (!isFields(value)) return value;
	if (value[signature] === secretSignature) {
		reading.note(path);
		return openSecret(value, path, reading);
	}
	return Object.fromEntries(
		Object.entries(value)
			.filter(([key]) => !key.startsWith("__"))
			.map(([key, part]) => [
				key,
				reveal(part, `${path}/${escapePointer(key)}`, reading),
			]),
	);
}

function openSecret(value: Fields, path: string, reading: Reading): unknown {
	const { ciphertext, plaintext } = value;
	const text =
		typeof ciphertext === "string" ? reading.open(ciphertext) : plaintext;
	if (typeof text !== "string") return undefined;
	return reveal(JSON.parse(text), path, reading);
}

/** RFC 6901. */
const escapePointer = (key: string): string =>
	key.replaceAll("~", "~0").replaceAll("/", "~1");
