// A preview: what an order would change, and what it was worked out from. An order may be bound to it, and is refused if
// anything of that has moved.
import { z } from "zod";
import type { Lifecycle } from "./environment.ts";
import type { EnvironmentId, OperationId, PreviewId } from "./ids.ts";
import type { Changes } from "./operation.ts";
import type { PlannedChange, PlanStep } from "./plan.ts";
import {
	destroyOrder,
	environmentChange,
	restoreOrder,
	rollbackOrder,
} from "./spec.ts";

/** How long an order may be bound to a preview, in milliseconds, counted from its result. */
export const previewLastsMs = 60 * 60 * 1_000;

/** The orders of each verb that can be previewed, as the verb itself takes them. */
const verbOrders = {
	upgrade: environmentChange,
	rollback: rollbackOrder,
	restore: restoreOrder,
	hibernate: z.strictObject({}),
	wake: z.strictObject({}),
	destroy: destroyOrder,
};
export type PreviewedVerb = keyof typeof verbOrders;
export const previewedVerbs = Object.keys(verbOrders) as PreviewedVerb[];

/** `{ "upgrade": { "release": "0.6.1" } }`: one verb with its own order. */
export const previewedOrder = z
	.strictObject({
		upgrade: verbOrders.upgrade.optional(),
		rollback: verbOrders.rollback.optional(),
		restore: verbOrders.restore.optional(),
		hibernate: verbOrders.hibernate.optional(),
		wake: verbOrders.wake.optional(),
		destroy: verbOrders.destroy.optional(),
	})
	.refine(
		(order) =>
			Object.values(order).filter((one) => one !== undefined).length === 1,
		"must have exactly one verb",
	)
	.meta({ minProperties: 1, maxProperties: 1 });
export type PreviewedOrder = z.infer<typeof previewedOrder>;

/** The verb of an order, with what it asks for. */
export function readOrder(order: PreviewedOrder): {
	readonly verb: PreviewedVerb;
	readonly body: object;
} {
	for (const verb of previewedVerbs) {
		const body = order[verb];
		if (body !== undefined) return { verb, body };
	}
	throw new Error("an order without a verb was let in");
}

/** What a preview was worked out from. Each of it may move. */
export interface PreviewBasis {
	readonly desiredRevision: number;
	readonly lifecycle: Lifecycle;
	readonly blueprintVersion: string;
	/** Of the code; null where it is not kept. */
	readonly programDigest: string | null;
	/** The number of the engine's newest state; null before there is one, and until the preview has begun. */
	readonly stateVersion: number | null;
}

export interface Preview extends PreviewBasis {
	readonly id: PreviewId;
	readonly environment: EnvironmentId;
	readonly operation: OperationId;
	readonly verb: PreviewedVerb;
	readonly facts: PreviewFacts;
	/** null until its operation has succeeded. */
	readonly result: PreviewResult | null;
	readonly createdAt: Date;
	readonly expiresAt: Date | null;
}

/** What the verb itself knows of the consequences. */
export interface PreviewFacts {
	readonly dataLoss?: DataLoss;
}

/** What was written since `since` would be gone. */
export interface DataLoss {
	readonly since: string;
	readonly reason: string;
}

export const risks = ["none", "downtime", "data"] as const;
export type Risk = (typeof risks)[number];

export interface PreviewResult {
	readonly changes: Changes;
	/** What would not stay as it is. */
	readonly resources: readonly PreviewedResource[];
	/** Of Maestro's processes those that would change. */
	readonly processes: readonly PreviewedProcess[];
	readonly replacements: readonly Replacement[];
	/** The worst of `reasons`. */
	readonly risk: Risk;
	readonly reasons: readonly RiskReason[];
	readonly dataLoss: DataLoss | null;
	/** null where the target has no prices. */
	readonly price: PriceDifference | null;
}

export interface PreviewedResource {
	readonly kind: string;
	readonly name: string;
	readonly step: Exclude<PlanStep, "same">;
	readonly changes: readonly PlannedChange[];
}

export interface FromTo<T> {
	readonly from: T | null;
	readonly to: T | null;
}

export interface PreviewedProcess {
	readonly name: string;
	readonly step: Exclude<PlanStep, "same">;
	/** null where it stays. */
	readonly image: FromTo<string> | null;
	readonly replicas: FromTo<number> | null;
	/** Environment variables. */
	readonly settings: readonly {
		readonly name: string;
		readonly before: unknown;
		readonly after: unknown;
	}[];
	/** Whether it is away for a moment. */
	readonly downtime: boolean;
}

/** Something that is deleted and made anew. */
export interface Replacement {
	readonly kind: string;
	readonly name: string;
	readonly risk: Risk;
}

export interface RiskReason {
	readonly risk: Exclude<Risk, "none">;
	readonly message: string;
}

export interface PriceDifference {
	readonly currency: string;
	/** Per month of 730 hours, by what is requested. */
	readonly before: number;
	readonly after: number;
	readonly difference: number;
}
