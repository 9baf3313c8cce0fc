import type { Claim, KubeEvent } from "./objects.ts";
import { makeStuck, makeWaiting, ready, type Verdict } from "./verdict.ts";
import { findLatestEvent } from "./warnings.ts";

/** Whether a claim has its volume, and if not, why. Pure. `events` are warnings of its namespace. */
export function decideClaim(
	claim: Claim,
	events: readonly KubeEvent[],
): Verdict {
	if (claim.status?.phase === "Bound") return ready;
	const advice =
		"Check the target's storage class: whether it exists, and whether its provisioner works.";
	if (claim.status?.phase === "Lost") {
		return makeStuck({
			reason: "ClaimLost",
			message: `The volume ${claim.spec?.volumeName ?? ""} of this claim is gone, and with it the data.`,
			advice: "Restore the data from a backup into a new environment.",
			lasting: true,
		});
	}
	const event = findLatestEvent(events, claim, ["ProvisioningFailed"]);
	if (event !== undefined) {
		const message = event.message ?? "";
		const lasting = /not found|forbidden|invalid|quota/i.test(message);
		return makeStuck({
			reason: "ProvisioningFailed",
			message,
			advice,
			lasting,
		});
	}
	if (claim.spec?.storageClassName === undefined && !claim.spec?.volumeName) {
		return makeStuck({
			reason: "NoStorageClass",
			message:
				"The claim names no storage class, and the cluster has no default one.",
			advice:
				"Give the target a storage class, or mark one of the cluster's as its default.",
			lasting: true,
		});
	}
	return makeWaiting("it is not bound");
}
