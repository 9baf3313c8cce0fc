// Secrets in states: AES-256-GCM under a key of the stack's own, which is sealed by the service's key. A
// value opens only in the stack that it was encrypted for. The same text gives another ciphertext each
// time: states are kept whole, so nothing is gained by showing which secrets are equal.
import {
	createCipheriv,
	createDecipheriv,
	createHash,
	randomBytes,
} from "node:crypto";
import { z } from "zod";
import { Failure } from "../failure.ts";
import { open, type SealKey, seal } from "../seal.ts";
import type { StackName } from "../store/state.ts";
import { nameCaller, organization } from "./access.ts";
import type { Reply, StackCall } from "./bind.ts";

// A ciphertext is: format, the first bytes of the key's hash, nonce, tag, body.
const format = 1;
const keyIdLength = 4;
const nonceLength = 12;
const tagLength = 16;
const headLength = 1 + keyIdLength + nonceLength + tagLength;

interface DataKey {
	readonly key: Buffer;
	readonly id: Buffer;
	/** Authenticated with each value. */
	readonly place: Buffer;
}

const sealedPlace = ({ project, name }: StackName) =>
	`stacks/${project}/${name}/data-key`;

/** A new key for a new stack, sealed. */
export const sealDataKey = (sealKey: SealKey, stack: StackName): Buffer =>
	seal(sealKey, sealedPlace(stack), randomBytes(32).toString("base64"));

function openDataKey({
	backend,
	stack,
}: Pick<StackCall, "backend" | "stack">): DataKey {
	const text = open(backend.sealKey, sealedPlace(stack), stack.dataKey);
	const key = Buffer.from(text, "base64");
	return {
		key,
		id: createHash("sha256").update(key).digest().subarray(0, keyIdLength),
		place: Buffer.from(`${organization}/${stack.project}/${stack.name}`),
	};
}

function encryptValue({ key, id, place }: DataKey, plaintext: Buffer): Buffer {
	const nonce = randomBytes(nonceLength);
	const cipher = createCipheriv("aes-256-gcm", key, nonce);
	cipher.setAAD(place);
	const body = Buffer.concat([cipher.update(plaintext), cipher.final()]);
	return Buffer.concat([
		Buffer.of(format),
		id,
		nonce,
		cipher.getAuthTag(),
		body,
	]);
}

function decryptValue({ key, id, place }: DataKey, sealed: Buffer): Buffer {
	const nonceAt = 1 + keyIdLength;
	const tagAt = nonceAt + nonceLength;
	if (
		sealed.length < headLength ||
		sealed[0] !== format ||
		!sealed.subarray(1, nonceAt).equals(id)
	) {
		throw refuseCiphertext();
	}
	const decipher = createDecipheriv(
		"aes-256-gcm",
		key,
		sealed.subarray(nonceAt, tagAt),
	);
	decipher.setAAD(place);
	decipher.setAuthTag(sealed.subarray(tagAt, headLength));
	try {
		return Buffer.concat([
			decipher.update(sealed.subarray(headLength)),
			decipher.final(),
		]);
	} catch {
		throw refuseCiphertext();
	}
}

const refuseCiphertext = () =>
	new Failure({
		code: "invalid_request",
		message: "A value was not encrypted for this stack, or was altered.",
		untouched: "Nothing was decrypted.",
	});

const bytes = z.base64();

export const encryptBody = z.object({ plaintext: bytes });
export const decryptBody = z.object({ ciphertext: bytes });
export const batchEncryptBody = z.object({ plaintexts: z.array(bytes) });
export const batchDecryptBody = z.object({ ciphertexts: z.array(bytes) });

const fromBase64 = (text: string) => Buffer.from(text, "base64");

export function encrypt(
	call: StackCall,
	{ plaintext }: z.infer<typeof encryptBody>,
): Reply {
	const key = openDataKey(call);
	const ciphertext = encryptValue(key, fromBase64(plaintext));
	return { ciphertext: ciphertext.toString("base64") };
}

export function batchEncrypt(
	call: StackCall,
	{ plaintexts }: z.infer<typeof batchEncryptBody>,
): Reply {
	const key = openDataKey(call);
	return {
		ciphertexts: plaintexts.map((text) =>
			encryptValue(key, fromBase64(text)).toString("base64"),
		),
	};
}

export function decrypt(
	call: StackCall,
	{ ciphertext }: z.infer<typeof decryptBody>,
): Reply {
	const plaintext = decryptValue(openDataKey(call), fromBase64(ciphertext));
	auditDecryption(call, 1);
	return { plaintext: plaintext.toString("base64") };
}

/** Opens ciphertexts of a stack for the service itself. */
export function makeOpener(
	of: Pick<StackCall, "backend" | "stack">,
): (ciphertext: string) => string {
	const key = openDataKey(of);
	return (ciphertext) =>
		decryptValue(key, fromBase64(ciphertext)).toString("utf8");
}

/** Every ciphertext is a key of the reply, exactly as it was sent: the CLI does not survive a missing one. */
export function batchDecrypt(
	call: StackCall,
	{ ciphertexts }: z.infer<typeof batchDecryptBody>,
): Reply {
	const key = openDataKey(call);
	const plaintexts = Object.fromEntries(
		ciphertexts.map((text) => [
			text,
			decryptValue(key, fromBase64(text)).toString("base64"),
		]),
	);
	auditDecryption(call, ciphertexts.length);
	return { plaintexts };
}

/** The CLI also tells by itself when it showed secrets, but only after it has them. */
function auditDecryption({ backend, caller, stack }: StackCall, count: number) {
	backend.log[caller.kind === "operator" ? "info" : "debug"](
		{ stack: stack.name, by: nameCaller(caller), count },
		"secrets were decrypted",
	);
}

export const acknowledge = (): Reply => undefined;
