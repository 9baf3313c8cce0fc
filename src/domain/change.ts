// What a later revision of an environment may not change, because nothing could carry it out without loss.
import type { FieldError } from "../failure.ts";
import type { Parameters } from "./parameters.ts";
import type { Size } from "./spec.ts";

/** The claims of each size, where no parameter says otherwise. */
export const defaultStorage: Readonly<
	Record<Size, Readonly<Record<Claim, string>>>
> = {
	small: { mongodb: "4Gi", rabbitmq: "1Gi", backups: "4Gi" },
	ha: { mongodb: "20Gi", rabbitmq: "4Gi", backups: "40Gi" },
};
export const claims = ["mongodb", "rabbitmq", "backups"] as const;
export type Claim = (typeof claims)[number];

/** What holds the data, as events name it. As long as a failed upgrade touched none of it, it may be taken back whole. */
export const dataKinds = [
	"v1/PersistentVolumeClaim",
	"apps/v1/StatefulSet",
] as const;

interface Wish {
	readonly size: Size;
	readonly parameters: Pick<Parameters, "storage" | "external">;
}

/** The size of a claim, as Kubernetes writes it. */
export const decideStorage = (wish: Wish, claim: Claim): string =>
	wish.parameters.storage[claim] ?? defaultStorage[wish.size][claim];

/** The places of a new wish that the one before it forbids; none if it may follow. */
export function findForbiddenChanges(before: Wish, after: Wish): FieldError[] {
	const errors: FieldError[] = [];
	const refuse = (pointer: string, message: string) =>
		errors.push({ pointer, message });
	if (before.size === "ha" && after.size === "small") {
		refuse(
			"/size",
			"cannot go from ha to small: a replica set of three does not survive the loss of two members",
		);
	}
	const { mongodb: storeBefore } = before.parameters.external;
	const { mongodb: storeAfter } = after.parameters.external;
	if ((storeBefore === undefined) !== (storeAfter === undefined)) {
		refuse(
			"/parameters/external/mongodb",
			"cannot be given or taken away later: the data would stay behind in the other MongoDB",
		);
	}
	for (const claim of claims) {
		const [was, wanted] = [before, after].map((wish) =>
			decideStorage(wish, claim),
		);
		if (Number.parseInt(wanted ?? "", 10) < Number.parseInt(was ?? "", 10)) {
			refuse(
				`/parameters/storage/${claim}`,
				`must be at least ${was}, which it has: a claim cannot shrink`,
			);
		}
	}
	return errors;
}
