// Orders new values for secrets of an environment. They belong to it and not to a revision, so what runs is brought to
// the revision that it is at, with new values.
import { type Environment, refusal } from "../domain/environment.ts";
import type { Operation } from "../domain/operation.ts";
import {
	listConsequences,
	listDangerous,
	refuseRotation,
} from "../domain/rotation.ts";
import type { SecretName } from "../domain/secret.ts";
import type { RotateOrder } from "../domain/spec.ts";
import type { Orderer } from "../domain/tenant.ts";
import { Failure, type FieldError } from "../failure.ts";
import { transact } from "../store/db.ts";
import { lockEnvironment, updateEnvironment } from "../store/environments.ts";
import { appendEvents } from "../store/events.ts";
import { loadBegunRevision } from "../store/revisions.ts";
import { loadParameters } from "./parameters.ts";
import { nudge, request, type VerbContext } from "./request.ts";

const untouched = "Nothing was ordered, and every secret is as it was.";

/**
 * Throws `conflict` when the state of the environment forbids it, and `invalid_request` when one of the secrets cannot be
 * rotated, or when data become unreadable by it and nobody has acknowledged that.
 */
export async function rotateSecrets(
	context: VerbContext,
	actor: Orderer,
	{
		environment,
		order,
	}: {
		readonly environment: Pick<Environment, "id">;
		readonly order: RotateOrder;
	},
): Promise<Operation> {
	const operation = await transact(context.db, async (trx) => {
		const current = await lockEnvironment(trx, environment.id);
		const reason = refusal("rotate", current);
		if (reason !== undefined) throw refuse(reason);
		const revision = await loadBegunRevision(trx, current.id);
		const parameters = await loadParameters(
			{ ...context, db: trx },
			current.id,
			revision,
		);
		refuseNames(order.which, (name) =>
			refuseRotation(name, { ...revision, parameters }),
		);
		refuseUnacknowledged(order);
		const ordered = await request(trx, {
			environment: current.id,
			kind: "rotate",
			revisionFrom: current.revision,
			revisionTo: revision.number,
			actor,
			options: { secrets: order.which },
		});
		await appendEvents(
			trx,
			{ environment: current.id, operation: ordered.id },
			[
				{
					type: "rotation.ordered",
					data: {
						secrets: order.which,
						consequences: listConsequences(order.which),
					},
				},
			],
		);
		await updateEnvironment(trx, current.id, { lifecycle: "rotating" });
		return ordered;
	});
	nudge(context, operation);
	return operation;
}

function refuseNames(
	which: readonly SecretName[],
	explain: (name: SecretName) => string | undefined,
): void {
	const errors = which.flatMap((name, index): FieldError[] => {
		const reason = explain(name);
		return reason === undefined
			? []
			: [
					{
						pointer: `/which/${index}`,
						message: `${name} cannot be rotated: ${reason}`,
					},
				];
	});
	if (errors.length === 0) return;
	throw new Failure({
		code: "invalid_request",
		message: `${errors.map(({ message }) => message).join("; ")}.`,
		untouched,
		advice: "Order the rotation of the others by themselves.",
		errors,
	});
}

function refuseUnacknowledged({ which, acknowledge }: RotateOrder): void {
	const dangerous = listDangerous(which);
	if (dangerous.length === 0 || acknowledge) return;
	throw new Failure({
		code: "invalid_request",
		message: `The rotation of ${dangerous.join(", ")} destroys something that no backup brings back by itself. ${listConsequences(dangerous).join(" ")}`,
		untouched,
		advice:
			'Order it with "acknowledge": true if that is what you want, and without it otherwise.',
		errors: [
			{
				pointer: "/acknowledge",
				message: `must be true for ${dangerous.join(", ")}`,
			},
		],
	});
}

const refuse = (message: string): Failure =>
	new Failure({
		code: "conflict",
		message,
		untouched,
		advice: "Order it when the environment is ready.",
	});
