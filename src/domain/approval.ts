// Which orders wait until another actor has looked at them.
import { z } from "zod";
import { type PreviewedVerb, previewedVerbs } from "./preview.ts";
import { type Size, sizes } from "./spec.ts";

/** Of these verbs, on environments of these sizes, an order waits for an approval. */
export const approvalRule = z.strictObject({
	verbs: z
		.array(z.enum(previewedVerbs as [PreviewedVerb, ...PreviewedVerb[]]))
		.min(1),
	sizes: z
		.array(z.enum(sizes))
		.min(1)
		.default([...sizes]),
});
export const approvalRules = z.array(approvalRule).max(20);

export type ApprovalRule = z.infer<typeof approvalRule>;

/** Whether one of the rules names the verb and a size that the environment has or would have. */
export const mustBeApproved = (
	rules: readonly ApprovalRule[],
	order: { readonly verb: PreviewedVerb; readonly sizes: readonly Size[] },
): boolean =>
	rules.some(
		(rule) =>
			rule.verbs.includes(order.verb) &&
			order.sizes.some((size) => rule.sizes.includes(size)),
	);
