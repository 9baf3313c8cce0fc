// The first token of an installation: the platform admin's.
import { platformTenant } from "../domain/tenant.ts";
import { createTokenText, hashToken } from "../domain/token.ts";
import type { Db } from "../store/db.ts";
import { createTenant, findTenant } from "../store/tenants.ts";
import { createToken, findActor, hasLastingToken } from "../store/tokens.ts";

/** How long a token of a further data folder works. The next start after that makes another. */
const furtherTokenMs = 30 * 24 * 60 * 60 * 1_000;

/**
 * Sees to it that the platform admin has a token, and returns its text. `known` is the text that an earlier
 * start left behind: as long as it works, it stays the one. While there is another that never expires, because another
 * data folder was here first, the new one is for 30 days: folders that come and go with a container leave nothing
 * behind for ever, and nobody's token is revoked for it.
 */
export async function ensureAdmin(
	db: Db,
	known: string | undefined,
	host: string,
): Promise<string> {
	if (known !== undefined) {
		const actor = await findActor(db, hashToken(known));
		if (actor?.role === "platform-admin") return known;
	}
	const text = createTokenText();
	await db.transaction().execute(async (trx) => {
		const tenant =
			(await findTenant(trx, platformTenant)) ??
			(await createTenant(trx, platformTenant));
		const isFirst = !(await hasLastingToken(trx, "platform-admin"));
		await createToken(trx, {
			tenant: tenant.id,
			name: isFirst ? "platform admin" : `platform admin on ${host}`,
			role: "platform-admin",
			hash: hashToken(text),
			expiresAt: isFirst ? null : new Date(Date.now() + furtherTokenMs),
		});
	});
	return text;
}
