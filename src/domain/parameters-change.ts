// What an upgrade may say of parameters, and what comes of it.
import { z } from "zod";
import type { FieldError } from "../failure.ts";
import { fields, findContradictions, type Parameters } from "./parameters.ts";

/** A key of a change: as in an order, but without a default, which would change what nobody spoke of. */
const changed = <T extends z.ZodType>(field: {
	unwrap(): T;
	readonly description?: string | undefined;
}) => {
	const inner = field.unwrap().nullish();
	return field.description === undefined
		? inner
		: inner.describe(field.description);
};

/** A change of parameters: the value of a key that is given replaces the whole value before; null takes it back to its default. */
export const parametersChange = z.strictObject({
	replicas: changed(fields.shape.replicas),
	resources: changed(fields.shape.resources),
	storage: changed(fields.shape.storage),
	smtp: changed(fields.shape.smtp),
	theme: changed(fields.shape.theme),
	logo: changed(fields.shape.logo),
	closedSignUp: changed(fields.shape.closedSignUp),
	external: changed(fields.shape.external),
	features: changed(fields.shape.features),
	backups: changed(fields.shape.backups),
} satisfies Record<keyof Parameters, z.ZodType>);
export type ParametersChange = z.infer<typeof parametersChange>;

/** The parameters after a change, and the places in which they contradict each other. */
export function changeParameters(
	before: Parameters,
	change: ParametersChange,
): { readonly parameters: Parameters; readonly errors: readonly FieldError[] } {
	const wish = Object.entries({ ...before, ...change }).filter(
		([, value]) => value !== null && value !== undefined,
	);
	const after = fields.parse(Object.fromEntries(wish));
	const errors = findContradictions(after).map(({ path, message }) => ({
		pointer: `/${path.join("/")}`,
		message,
	}));
	return { parameters: after, errors };
}
