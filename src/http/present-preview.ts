// A preview as its reader sees it. Field by field: what is not named here is not told.
import type { Output } from "../contract/endpoint.ts";
import type { findPreview } from "../contract/previews.ts";
import type { Preview, PreviewResult } from "../domain/preview.ts";

type Shown = Output<typeof findPreview>;
type Result = NonNullable<Shown["result"]>;
/** Of what was kept as JSON. */
type Json = Result["processes"][number]["settings"][number]["before"];

export const presentPreview = (preview: Preview): Shown => ({
	id: preview.id,
	environment: preview.environment,
	operation: preview.operation,
	verb: preview.verb,
	basis: {
		desiredRevision: preview.desiredRevision,
		lifecycle: preview.lifecycle,
		blueprintVersion: preview.blueprintVersion,
		programDigest: preview.programDigest,
		stateVersion: preview.stateVersion,
	},
	result: preview.result && presentResult(preview.result),
	createdAt: preview.createdAt.toISOString(),
	expiresAt: preview.expiresAt?.toISOString() ?? null,
});

const presentResult = (result: PreviewResult): Result => ({
	changes: result.changes,
	resources: result.resources.map(({ kind, name, step, changes }) => ({
		kind,
		name,
		step,
		changes: changes.map(({ path, before, after }) => ({
			path,
			before: before as Json,
			after: after as Json,
		})),
	})),
	processes: result.processes.map((process) => ({
		name: process.name,
		step: process.step,
		image: process.image,
		replicas: process.replicas,
		settings: process.settings.map(({ name, before, after }) => ({
			name,
			before: before as Json,
			after: after as Json,
		})),
		downtime: process.downtime,
	})),
	replacements: result.replacements.map(({ kind, name, risk }) => ({
		kind,
		name,
		risk,
	})),
	risk: result.risk,
	reasons: result.reasons.map(({ risk, message }) => ({ risk, message })),
	dataLoss: result.dataLoss,
	price: result.price,
});
