// The secrets of an environment: made once, when it is ordered, and never changed by an upgrade.
import { randomBytes } from "node:crypto";

/**
 * The seven token secrets of Maestro (each has a public default, so a missing one would silently be
 * insecure) and the passwords of the data stores.
 */
export const secretNames = [
	"MAESTRO_SECRETJWT",
	"MAESTRO_SECRETJWT_PRIVATE",
	"MAESTRO_SECRETJWT_PUBLIC",
	"MAESTRO_SECRETJWT_FORGOT",
	"MAESTRO_SECRET_CRYPTO_FORGOT",
	"MAESTRO_NOAUTH",
	"MAESTRO_WEBSOCKET_SECRET",
	"MONGODB_ROOT_PASSWORD",
	"MONGODB_PASSWORD",
	"MONGODB_KEYFILE",
	"RABBITMQ_PASSWORD",
	"RABBITMQ_ERLANG_COOKIE",
] as const;

export type SecretName = (typeof secretNames)[number];
export type Secrets = Readonly<Record<SecretName, string>>;

/** Fresh values, 256 bits each. Hexadecimal: safe in a URI, in a key file and as an Erlang cookie. */
export function createSecrets(): Secrets {
	// Drawn at once: each call of randomBytes costs more than its bytes.
	const bytes = randomBytes(32 * secretNames.length);
	return Object.fromEntries(
		secretNames.map((name, i) => [
			name,
			bytes.toString("hex", 32 * i, 32 * (i + 1)),
		]),
	) as Secrets;
}
