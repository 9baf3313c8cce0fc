// The lease of a running update: five minutes, renewed by its client about every two and a half.
import { renewUpdate } from "../store/state-tickets.ts";
import type { Reply, UpdateCall } from "./bind.ts";

/** The CLI counts on it without asking (pkg/backend/httpstate/state.go). */
export const defaultLeaseMs = 300_000;

/** The token stays: a reply with a new one may get lost, and then its client would be locked out. */
export async function renewLease(call: UpdateCall): Promise<Reply> {
	const { backend, ticket, token } = call;
	const expiresAt = await renewUpdate(backend.db, ticket, backend.leaseMs);
	return { token, tokenExpiration: toSeconds(expiresAt) };
}

export const toSeconds = (time: Date): number =>
	Math.floor(time.getTime() / 1000);
