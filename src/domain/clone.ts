// What a copy of an environment takes from the one that it is made of, and what it does not.
import type { Environment, Lifecycle } from "./environment.ts";
import type { KeptSecret } from "./origin.ts";
import type { Parameters } from "./parameters.ts";

/** The secrets without which the data of the other would be unreadable. */
export const keptWithData: readonly KeptSecret[] = [
	{
		name: "MAESTRO_SECRETJWT",
		reason:
			"It signs the cloud connections that are stored in the data: with another value none of them could be decoded.",
	},
];

export const dataWarnings: readonly string[] = [
	"It has the users and the cloud connections of the other, and a session of either is good for both.",
	"Its scheduler works off the same schedules as the other's, against the same clouds. Switch off in the client what only one of them is to do.",
];

const refusals: Readonly<Partial<Record<Lifecycle, string>>> = {
	creating: "It is being created: there is nothing yet that is known to work.",
	rotating: "Its secrets are being rotated.",
	destroying: "It is being destroyed.",
	destroyed: "It is destroyed.",
};

/** Why no copy can be made of an environment now; undefined where one can. Of one that is changed, it is of what was before. */
export const refuseClone = ({
	lifecycle,
	revision,
}: Pick<Environment, "lifecycle" | "revision">): string | undefined =>
	refusals[lifecycle] ??
	(revision === null
		? "Its create never came to an end, so nothing is known to work."
		: undefined);

/** Of a backup from before the rotation of one of them. */
export const rotatedWarning = (names: readonly string[]): string =>
	`Of the other ${names.join(", ")} was rotated after the backup had been taken: the cloud connections in it cannot be decoded, and their credentials have to be entered anew.`;

/** Why no copy can have these parameters: it has no place of its own for its data. */
export function refuseSharing({
	external,
}: Pick<Parameters, "external">): string | undefined {
	const shared = [
		...(external.mongodb === undefined ? [] : ["MongoDB"]),
		...(external.rabbitmq === undefined ? [] : ["RabbitMQ"]),
	];
	return shared.length === 0
		? undefined
		: `It uses a ${shared.join(" and a ")} outside of its namespace, and a copy would write to the same one.`;
}
