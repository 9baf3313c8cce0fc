// Seals secret values with AES-256-GCM. The key's id travels with the value, so keys can rotate, and the
// value's place is authenticated with it, so that a sealed value cannot be moved to another row.
import {
	createCipheriv,
	createDecipheriv,
	createHash,
	createSecretKey,
	type KeyObject,
	randomBytes,
} from "node:crypto";
import { Failure } from "./failure.ts";

const format = 1;
const keyIdLength = 4;
const nonceLength = 12;
const tagLength = 16;
const headLength = 1 + keyIdLength + nonceLength + tagLength;

export interface SealKey {
	readonly id: Buffer;
	/** Not as bytes: a cipher made from bytes costs four times as much, and these cannot be printed. */
	readonly key: KeyObject;
}

/** Throws `not_set_up` unless the text is 32 bytes in hexadecimal or base64. */
export function parseSealKey(text: string): SealKey {
	const trimmed = text.trim();
	const key = /^[0-9a-f]{64}$/i.test(trimmed)
		? Buffer.from(trimmed, "hex")
		: Buffer.from(trimmed, "base64");
	if (key.length !== 32) {
		throw new Failure({
			code: "not_set_up",
			message: "The seal key is not 32 bytes in hexadecimal or base64.",
			advice: "Make one with: openssl rand -hex 32",
		});
	}
	return {
		id: createHash("sha256").update(key).digest().subarray(0, keyIdLength),
		key: createSecretKey(key),
	};
}

// Drawn many at a time, since a call of randomBytes costs more than its bytes; each is given out once.
const nonces = { drawn: Buffer.alloc(0), used: 0 };

function drawNonce(): Buffer {
	if (nonces.used === nonces.drawn.length) {
		nonces.drawn = randomBytes(64 * nonceLength);
		nonces.used = 0;
	}
	nonces.used += nonceLength;
	return nonces.drawn.subarray(nonces.used - nonceLength, nonces.used);
}

/** `place` says where the value is kept, such as `secrets/env_…/MAESTRO_SECRETJWT`; it opens only there. */
export function seal(key: SealKey, place: string, value: string): Buffer {
	const nonce = drawNonce();
	const cipher = createCipheriv("aes-256-gcm", key.key, nonce);
	cipher.setAAD(Buffer.from(place));
	const body = Buffer.concat([cipher.update(value, "utf8"), cipher.final()]);
	return Buffer.concat([
		Buffer.of(format),
		key.id,
		nonce,
		cipher.getAuthTag(),
		body,
	]);
}

/** Throws `not_set_up` when the value was sealed with another key, for another place, or was altered. */
export function open(key: SealKey, place: string, sealed: Buffer): string {
	const id = sealed.subarray(1, 1 + keyIdLength);
	const nonce = sealed.subarray(1 + keyIdLength, 1 + keyIdLength + nonceLength);
	const tag = sealed.subarray(headLength - tagLength, headLength);
	try {
		if (sealed[0] !== format || !id.equals(key.id)) {
			throw new Error("sealed with another key");
		}
		const decipher = createDecipheriv("aes-256-gcm", key.key, nonce);
		decipher.setAAD(Buffer.from(place));
		decipher.setAuthTag(tag);
		return Buffer.concat([
			decipher.update(sealed.subarray(headLength)),
			decipher.final(),
		]).toString("utf8");
	} catch (error) {
		throw new Failure({
			code: "not_set_up",
			message: `The sealed value ${place} cannot be opened with this seal key.`,
			untouched: "The value was left as it is.",
			advice:
				"Start the service with the key that sealed it (SEAL_KEY, or the seal-key file of its data folder).",
			cause: error,
		});
	}
}
