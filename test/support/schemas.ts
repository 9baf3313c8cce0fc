// The JSON Schemas of what an API server serves, as kubeconform reads them: strict, one file for each kind.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { kubectl } from "./kubectl.ts";

interface Schema {
	readonly properties?: object;
	readonly additionalProperties?: unknown;
	readonly [key: string]: unknown;
}
interface Document {
	readonly components?: {
		readonly schemas?: Readonly<Record<string, Schema>>;
	};
}
interface Kind {
	readonly group: string;
	readonly version: string;
	readonly kind: string;
}

const kindKey = "x-kubernetes-group-version-kind";
const anythingKey = "x-kubernetes-preserve-unknown-fields";

/** Writes the schemas into a folder and returns the location that kubeconform is to be given. */
export async function writeSchemas(
	kubeconfig: string,
	folder: string,
	groupVersions: readonly string[],
): Promise<string> {
	for (const groupVersion of groupVersions) {
		const path = groupVersion.includes("/") ? "apis" : "api";
		const text = await kubectl(
			kubeconfig,
			"get",
			"--raw",
			`/openapi/v3/${path}/${groupVersion}`,
		);
		for (const [file, schema] of listSchemas(JSON.parse(text)))
			writeFileSync(join(folder, file), JSON.stringify(schema));
	}
	return `${folder}/{{ .ResourceKind }}{{ .KindSuffix }}.json`;
}

function* listSchemas({ components }: Document): Generator<[string, object]> {
	const definitions = Object.fromEntries(
		Object.entries(components?.schemas ?? {}).map(([name, schema]) => [
			name,
			tighten(schema),
		]),
	);
	for (const [name, schema] of Object.entries(components?.schemas ?? {}))
		for (const kind of (schema[kindKey] ?? []) as readonly Kind[])
			yield [nameFile(kind), { $ref: `#/definitions/${name}`, definitions }];
}

function nameFile({ group, version, kind }: Kind): string {
	const [first] = group.split(".");
	const suffix = first === "" ? version : `${first}-${version}`;
	return `${kind.toLowerCase()}-${suffix}.json`;
}

/** An object takes the properties that it names and no others, as the API server's strict validation has it. */
function tighten(value: unknown): unknown {
	if (Array.isArray(value)) return value.map(tighten);
	if (typeof value !== "object" || value === null) return value;
	const schema = value as Schema;
	const entries = Object.entries(schema).map(([key, part]) =>
		key === "$ref"
			? [key, String(part).replace("#/components/schemas/", "#/definitions/")]
			: [key, tighten(part)],
	);
	const isClosed =
		typeof schema.properties === "object" &&
		schema.additionalProperties === undefined &&
		schema[anythingKey] !== true &&
		schema.type === "object";
	return {
		...Object.fromEntries(entries),
		...(isClosed ? { additionalProperties: false } : {}),
	};
}
