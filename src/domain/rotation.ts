// Which secrets of an environment can be given new values, and what that leads to for those who use it.
import type { Parameters } from "./parameters.ts";
import { knowsPower } from "./power.ts";
import { type SecretName, secretNames } from "./secret.ts";

export interface Rotation {
	/** What stops to work or has to be done anew, for people who use the environment. */
	readonly consequence: string;
	/** Data become unreadable: to be acknowledged. */
	readonly isDangerous?: boolean;
}

/** Those that processes only read: the order's end is that all who share one have the new one. */
const rotations: Readonly<Partial<Record<SecretName, Rotation>>> = {
	MAESTRO_SECRETJWT: {
		consequence:
			"Every stored cloud connection becomes undecodable, because it is signed with this secret: discovery stops until somebody enters the credentials of each connection anew. All users are logged out.",
		isDangerous: true,
	},
	MAESTRO_SECRETJWT_PRIVATE: {
		consequence:
			"Services refuse each other's calls while some have the old value and some the new one.",
	},
	MAESTRO_NOAUTH: {
		consequence:
			"Services refuse each other's calls while some have the old value and some the new one.",
	},
	MAESTRO_SECRETJWT_PUBLIC: {
		consequence: "Links with which graphs were shared do not work any more.",
	},
	MAESTRO_SECRETJWT_FORGOT: {
		consequence:
			"Password resets that are under way have to be asked for anew.",
	},
	MAESTRO_SECRET_CRYPTO_FORGOT: {
		consequence:
			"Password resets that are under way have to be asked for anew.",
	},
	MAESTRO_WEBSOCKET_SECRET: {
		consequence:
			"Browsers lose their websocket for a moment, and connect again.",
	},
	MONGODB_PASSWORD: {
		consequence:
			"The members of MongoDB restart one after the other, and processes cannot open new connections to it until they have restarted, too. An environment of the size small is without its database for that moment.",
	},
};

/** Why the others cannot be rotated. */
const refusals: Readonly<Partial<Record<SecretName, string>>> = {
	MONGODB_ROOT_PASSWORD:
		"MongoDB keeps it itself, and who changes the other passwords signs in with it: no Job of the blueprint changes it there",
	MONGODB_KEYFILE:
		"the members know each other by it, so it can be changed only by taking both values for a while, which the blueprint does not do",
	RABBITMQ_PASSWORD:
		"RabbitMQ takes it when it starts for the first time and keeps it itself: the blueprint does not change it there",
	RABBITMQ_ERLANG_COOKIE:
		"the nodes know each other by it, so all of them would have to stop at once",
};

/** What can be rotated, in the order of the secrets' own list. */
export const rotatableSecrets: readonly SecretName[] = secretNames.filter(
	(name) => rotations[name] !== undefined,
);

/** Why a secret of an environment with this revision cannot be rotated; undefined where it can. */
export function refuseRotation(
	name: SecretName,
	{
		parameters: { external },
		blueprintVersion,
	}: {
		readonly parameters: Pick<Parameters, "external">;
		readonly blueprintVersion: string;
	},
): string | undefined {
	if (name.startsWith("MONGODB_") && external.mongodb !== undefined)
		return "its MongoDB is somebody else's: change the password there, and then /parameters/external by an upgrade";
	if (name.startsWith("RABBITMQ_") && external.rabbitmq !== undefined)
		return "its RabbitMQ is somebody else's: change the password there, and then /parameters/external by an upgrade";
	if (name === "MONGODB_PASSWORD" && !restartsMembers(blueprintVersion))
		return `the blueprint version ${blueprintVersion} would leave the metrics of MongoDB with the old one. An upgrade with {"parameters": {}} brings the environment to the current version`;
	return refusals[name];
}

/** It came with the version that knows `power`. */
const restartsMembers = knowsPower;

/** What the rotation of these leads to, each said once. */
export const listConsequences = (
	names: readonly SecretName[],
): readonly string[] => [
	...new Set(names.flatMap((name) => rotations[name]?.consequence ?? [])),
];

export const listDangerous = (
	names: readonly SecretName[],
): readonly SecretName[] =>
	names.filter((name) => rotations[name]?.isDangerous === true);
