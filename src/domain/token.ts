// The text of a machine token, and what is kept of it.
import { createHash, randomBytes } from "node:crypto";

/** Recognisable by secret scanners; 256 random bits behind the prefix. */
export const createTokenText = () =>
	`imp_${randomBytes(32).toString("base64url")}`;

export const looksLikeToken = (text: string) =>
	/^imp_[A-Za-z0-9_-]{43}$/.test(text);

/** SHA-256: the text is random enough that nothing slower is needed, and a hash can be looked up. */
export const hashToken = (text: string): Buffer =>
	createHash("sha256").update(text).digest();
