// The text of a machine token, and what is kept of it.
import { createHash, randomInt, timingSafeEqual } from "node:crypto";
import { crc32 } from "node:zlib";

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const randomLength = 43;

/** CRC-32 in base 62, of always 6 digits: what GitHub's tokens end with, and scanners of secrets know to check. */
function checksum(text: string): string {
	let rest = crc32(text);
	let tail = "";
	for (let place = 0; place < 6; place++) {
		tail = digits.charAt(rest % 62) + tail;
		rest = Math.floor(rest / 62);
	}
	return tail;
}

/** `imp_`, 43 random digits of base 62 (256 bits), and their checksum: a scanner tells true ones from what only looks like it. */
export function createTokenText(): string {
	const random = Array.from({ length: randomLength }, () =>
		digits.charAt(randomInt(62)),
	).join("");
	return `imp_${random}${checksum(random)}`;
}

/** Whether it may be one. Those of before there was a checksum go on working. */
export function looksLikeToken(text: string): boolean {
	const [, random = "", tail = ""] =
		/^imp_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/.exec(text) ?? [];
	return random === ""
		? /^imp_[A-Za-z0-9_-]{43}$/.test(text)
		: checksum(random) === tail;
}

/**
 * SHA-256: the text is random enough that nothing slower is needed, and a hash can be looked up. How long that takes tells
 * of the hash of what was sent, from which no true text follows.
 */
export const hashToken = (text: string): Buffer =>
	createHash("sha256").update(text).digest();

/** Compares what secrets were made into in a time that tells nothing of where they differ. */
export const isSameHash = (one: Buffer, other: Buffer): boolean =>
	one.length === other.length && timingSafeEqual(one, other);
