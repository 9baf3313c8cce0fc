// An environment as public JSON, field by field: what is not named here is not told. Each field says what it is made of, so
// that of a list no more is read than what is shown.
import type { Output } from "../contract/endpoint.ts";
import type { findEnvironment } from "../contract/environments.ts";
import { decidePower } from "../domain/environment.ts";
import { writeDuration } from "../domain/expiry.ts";
import type {
	EnvironmentPart,
	ShownEnvironment,
} from "../store/environment-pages.ts";
import {
	presentBlueprint,
	presentOptionalTime,
	presentOrigin,
	presentTime,
} from "./present.ts";

export type EnvironmentJson = Output<typeof findEnvironment>;
export type EnvironmentField = keyof EnvironmentJson;

const fields: {
	readonly [F in EnvironmentField]: (
		shown: ShownEnvironment,
	) => EnvironmentJson[F];
} = {
	id: ({ id }) => id,
	name: ({ name }) => name,
	tenant: ({ tenant }) => tenant,
	blueprint: ({ blueprint, desired }) =>
		presentBlueprint(blueprint, desired.blueprintVersion),
	release: ({ desired }) => desired.release,
	size: ({ desired }) => desired.size,
	parameters: ({ desired }) => desired.parameters,
	description: ({ description }) => description,
	labels: ({ labels }) => labels,
	lifecycle: ({ lifecycle }) => lifecycle,
	health: ({ health }) => health,
	healthReasons: ({ healthReasons }) =>
		healthReasons.map(({ kind, name, reason, message }) => ({
			kind,
			name,
			reason,
			message,
		})),
	drift: ({ drift }) =>
		drift && {
			checkedAt: drift.checkedAt,
			items: drift.items.map((item) => ({
				kind: item.kind,
				name: item.name,
				class: item.class,
				path: item.path,
				wanted: item.wanted,
				found: item.found,
			})),
		},
	onDrift: ({ onDrift }) => onDrift,
	revision: ({ revision }) => revision,
	desiredRevision: ({ desiredRevision }) => desiredRevision,
	target: ({ target }) => target,
	namespace: ({ namespace }) => namespace,
	endpoints: ({ endpoints }) => endpoints,
	versions: ({ versions }) => versions,
	warnings: ({ warnings }) => [...warnings],
	expiresAt: ({ expiresAt }) => presentOptionalTime(expiresAt),
	onExpiry: ({ onExpiry }) => onExpiry,
	failureTtl: ({ failureTtlSeconds }) =>
		failureTtlSeconds === null ? null : writeDuration(failureTtlSeconds),
	cleanUpAt: ({ cleanUpAt }) => presentOptionalTime(cleanUpAt),
	clonedFrom: ({ clonedFrom }) => clonedFrom && presentOrigin(clonedFrom),
	power: ({ lifecycle, desired }) => decidePower(lifecycle, desired.power),
	schedule: ({ schedule }) => schedule,
	nextTransition: ({ transition }) =>
		transition && { at: presentTime(transition.at), to: transition.to },
	activeOperation: ({ activeOperation }) => activeOperation,
	createdAt: ({ createdAt }) => presentTime(createdAt),
	updatedAt: ({ updatedAt }) => presentTime(updatedAt),
};

export const environmentFields = Object.keys(fields) as EnvironmentField[];

/** Fields that are made of something else than the part of their name. */
const made: {
	readonly [F in Exclude<
		EnvironmentField,
		EnvironmentPart
	>]: readonly EnvironmentPart[];
} & { readonly blueprint: readonly EnvironmentPart[] } = {
	blueprint: ["blueprint", "desired"],
	release: ["desired"],
	size: ["desired"],
	parameters: ["desired"],
	failureTtl: ["failureTtlSeconds"],
	power: ["lifecycle", "desired"],
	nextTransition: ["transition"],
};

/** What has to be read to show these fields. */
export const listParts = (
	chosen: readonly EnvironmentField[],
): EnvironmentPart[] =>
	chosen.flatMap((field) =>
		Object.hasOwn(made, field)
			? made[field as keyof typeof made]
			: [field as EnvironmentPart],
	);

export const presentEnvironment = (shown: ShownEnvironment): EnvironmentJson =>
	presentFields(shown, environmentFields);

/** These fields, of whose parts none may be missing. All of them, unless the answer says that it is of parts. */
export function presentFields(
	shown: Partial<ShownEnvironment>,
	chosen: readonly EnvironmentField[],
): EnvironmentJson {
	const json: Record<string, unknown> = {};
	for (const field of chosen)
		json[field] = fields[field](shown as ShownEnvironment);
	return json as EnvironmentJson;
}
