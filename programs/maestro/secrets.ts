// The Secrets of an environment, and how a container takes a value from them.
import { createHash } from "node:crypto";
import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Parameters } from "../../src/domain/parameters.ts";
import type { SecretName, Secrets } from "../../src/domain/secret.ts";
import { labelsOf } from "./conventions.ts";
import { type MongodbPlace, mongodbUsers, type Stores } from "./datastores.ts";
import { passwordKey, uriKey } from "./mongodb-scripts.ts";
import {
	type Database,
	databases,
	type SecretVariable,
	secretVariables,
} from "./processes.ts";

type EnvVar = kubernetes.types.input.core.v1.EnvVar;
type Volume = kubernetes.types.input.core.v1.Volume;

/** The content of each Secret, by the Secret's name. A Secret with nothing in it is not declared. */
export interface SecretValues {
	readonly jwt: Readonly<Record<string, string>>;
	readonly datastores: Readonly<Record<string, string>>;
	readonly externals: Readonly<Record<string, string>>;
}

export function createSecretValues(
	secrets: Secrets,
	stores: Stores,
	{ smtp }: Pick<Parameters, "smtp">,
): SecretValues {
	return {
		jwt: pick(secrets, [
			"MAESTRO_SECRETJWT",
			"MAESTRO_SECRETJWT_PRIVATE",
			"MAESTRO_SECRETJWT_PUBLIC",
			"MAESTRO_SECRETJWT_FORGOT",
			"MAESTRO_SECRET_CRYPTO_FORGOT",
			"MAESTRO_NOAUTH",
			"MAESTRO_WEBSOCKET_SECRET",
		]),
		datastores: {
			...listMongodbValues(secrets, stores.mongodb),
			...(stores.broker === null
				? {}
				: { CELERY_BROKER_URL: stores.broker.uri }),
			...(stores.broker?.kind === "own"
				? pick(secrets, ["RABBITMQ_PASSWORD", "RABBITMQ_ERLANG_COOKIE"])
				: {}),
		},
		externals:
			smtp?.username === undefined || smtp.password === undefined
				? {}
				: { SMTP_USERNAME: smtp.username, SMTP_PASSWORD: smtp.password },
	};
}

function listMongodbValues(secrets: Secrets, place: MongodbPlace) {
	const uris = databases.map((database) => [
		uriKey(database),
		place.uris[database],
	]);
	if (place.kind === "external") return Object.fromEntries(uris);
	const passwords = mongodbUsers.map((user) => [
		passwordKey(user),
		place.passwords[user],
	]);
	return {
		...Object.fromEntries([...uris, ...passwords]),
		...pick(secrets, ["MONGODB_ROOT_PASSWORD", "MONGODB_KEYFILE"]),
	};
}

const pick = (secrets: Secrets, names: readonly SecretName[]) =>
	Object.fromEntries(names.map((name) => [name, secrets[name]]));

export function createSecrets(values: SecretValues): void {
	for (const [name, data] of Object.entries(values)) {
		if (Object.keys(data).length === 0) continue;
		new kubernetes.core.v1.Secret(name, {
			metadata: { name, labels: labelsOf({ name, component: "secret" }) },
			type: "Opaque",
			stringData: pulumi.secret(data),
		});
	}
}

/** A variable whose value the kubelet reads from a Secret. */
export function createSecretVariable(
	name: string,
	from: { readonly secret: string; readonly key: string },
): EnvVar {
	return {
		name,
		valueFrom: { secretKeyRef: { name: from.secret, key: from.key } },
	};
}

/** `database` is the one of the process. */
export function listSecretVariables(
	names: readonly SecretVariable[],
	database: Database | null,
): EnvVar[] {
	return names.map((name) =>
		createSecretVariable(name, {
			secret: secretVariables[name],
			key: keyOf(name, database),
		}),
	);
}

/** Under which key of its Secret a variable's value lies: each database has a user of its own. */
const keyOf = (name: SecretVariable, database: Database | null): string =>
	name === "MAESTRO_MONGO_URI" && database !== null ? uriKey(database) : name;

/** The values that a process takes from Secrets. */
export const listSecretValues = (
	names: readonly SecretVariable[],
	database: Database | null,
	values: SecretValues,
): readonly (string | undefined)[] =>
	names.map((name) => values[secretVariables[name]][keyOf(name, database)]);

/** A volume with the named keys of `datastores` as files. Files keep a password out of variables and arguments. */
export function createSecretVolume(
	name: string,
	keys: readonly string[],
): Volume {
	return {
		name,
		secret: {
			secretName: "datastores",
			items: keys.map((key) => ({ key, path: key })),
		},
	};
}

/**
 * A short digest of what a pod takes from Secrets and ConfigMaps. As an annotation of the pod it restarts exactly
 * those pods whose values changed. Secrets are 256 random bits each: it betrays nothing.
 */
export function fingerprint(values: readonly (string | undefined)[]): string {
	return createHash("sha256")
		.update(JSON.stringify(values))
		.digest("hex")
		.slice(0, 16);
}
