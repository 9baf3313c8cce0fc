import { z } from "zod";
import { driftAnswers, driftClasses } from "../domain/drift.ts";
import { environmentSorts, lifecycles } from "../domain/environment.ts";
import { duration, onExpiries } from "../domain/expiry.ts";
import { healths } from "../domain/health.ts";
import { dnsLabel, environmentNameLength } from "../domain/names.ts";
import { shownParameters } from "../domain/parameters.ts";
import { releaseName } from "../domain/release.ts";
import { schedule } from "../domain/schedule.ts";
import { secretNames } from "../domain/secret.ts";
import {
	blueprintNames,
	changeNeedsOne,
	destroyOrder,
	environmentChange,
	environmentSpec,
	extension,
	labels,
	powers,
	previewReference,
	rollbackOrder,
	sizes,
} from "../domain/spec.ts";
import { byId, type Endpoint, type LeadsTo } from "./endpoint.ts";
import { operation } from "./operations.ts";
import { fieldsOf, pageOf, pageQuery, partOf } from "./page.ts";

const blueprintVersion = z.strictObject({
	name: z.enum(blueprintNames),
	version: z.string(),
});

/** What an environment is a copy of, as that was then. */
export const origin = z.strictObject({
	environment: z.string(),
	name: z.string(),
	revision: z.int(),
	/** Whose data it began with; null: with none. */
	backup: z.string().nullable(),
	/** Those that are the same in both, and why. All others are fresh. */
	keptSecrets: z.array(
		z.strictObject({ name: z.enum(secretNames), reason: z.string() }),
	),
	/** What whoever uses both has to know. */
	warnings: z.array(z.string()),
});

export const environment = z.strictObject({
	id: z.string(),
	name: z.string(),
	tenant: z.string(),
	/** With release, size and parameters: of the desired revision. */
	blueprint: blueprintVersion,
	release: z.string(),
	size: z.enum(sizes),
	parameters: shownParameters,
	description: z.string(),
	labels: z.record(z.string(), z.string()),
	lifecycle: z.enum(lifecycles),
	health: z.enum(healths),
	/** Why it is not healthy. */
	healthReasons: z.array(
		z.strictObject({
			kind: z.string(),
			name: z.string(),
			reason: z.string(),
			message: z.string(),
		}),
	),
	/** What differed from what was applied at the last look; null: nobody looked yet. */
	drift: z
		.strictObject({
			checkedAt: z.iso.datetime(),
			items: z.array(
				z.strictObject({
					kind: z.string(),
					name: z.string(),
					class: z.enum(driftClasses),
					/** A JSON Pointer; empty where the object is gone. */
					path: z.string(),
					wanted: z.string().nullable(),
					found: z.string().nullable(),
				}),
			),
		})
		.nullable(),
	onDrift: z.enum(driftAnswers),
	/** The revision that runs; null until one was applied to its end. */
	revision: z.int().nullable(),
	desiredRevision: z.int(),
	target: z.string(),
	namespace: z.string(),
	endpoints: z
		.strictObject({
			client: z.string(),
			server: z.string(),
			/** Not where analytics is off. */
			analyticsFront: z.string().optional(),
			websocket: z.string(),
		})
		.nullable(),
	/** What each version endpoint answered at the last verification. */
	versions: z.record(z.string(), z.string()),
	/** What is less than Maestro advises, and why. */
	warnings: z.array(z.string()),
	/** When its time is over, counted from its order or its last extension; null: never. */
	expiresAt: z.iso.datetime().nullable(),
	/** What happens to it then. */
	onExpiry: z.enum(onExpiries),
	/** How long it is left alone after its create did not succeed, in the largest unit that fits; null: for ever. */
	failureTtl: duration.nullable(),
	/** When it is destroyed for that, once that has happened. */
	cleanUpAt: z.iso.datetime().nullable(),
	/** null for one that was ordered by itself. */
	clonedFrom: origin.nullable(),
	/** Whether it runs, or will by what is on its way. */
	power: z.enum(powers),
	/** When it sleeps by itself; null: never. */
	schedule: schedule.nullable(),
	/** When the schedule is followed next, and to which power. In the past while something must end first. */
	nextTransition: z
		.strictObject({ at: z.iso.datetime(), to: z.enum(powers) })
		.nullable(),
	/** The operation that moves it, or the first that waits to. */
	activeOperation: z.string().nullable(),
	createdAt: z.iso.datetime(),
	updatedAt: z.iso.datetime(),
});

const environmentLeadsTo: LeadsTo = {
	findEnvironment: { id: "/id" },
	refreshEnvironment: { id: "/id" },
	upgradeEnvironment: { id: "/id" },
	previewEnvironment: { id: "/id" },
	rollbackEnvironment: { id: "/id" },
	hibernateEnvironment: { id: "/id" },
	wakeEnvironment: { id: "/id" },
	extendEnvironment: { id: "/id" },
	backUpEnvironment: { id: "/id" },
	cloneEnvironment: { id: "/id" },
	destroyEnvironment: { id: "/id" },
	rotateSecrets: { id: "/id" },
	listRevisions: { id: "/id" },
	listOperations: { id: "/id" },
	listEnvironmentEvents: { id: "/id" },
	listBackups: { id: "/id" },
	findOperation: { id: "/activeOperation" },
	cancelOperation: { id: "/activeOperation" },
};

/** Of answers with the ETag that a change has to name. */
const shownEnvironmentLeadsTo: LeadsTo = {
	...environmentLeadsTo,
	describeEnvironment: { id: "/id", "If-Match": "ETag" },
};

export const revision = z.strictObject({
	environment: z.string(),
	number: z.int(),
	blueprint: blueprintVersion,
	release: z.string(),
	size: z.enum(sizes),
	parameters: shownParameters,
	power: z.enum(powers),
	/** The revision whose content this one repeats. */
	basedOn: z.int().nullable(),
	createdAt: z.iso.datetime(),
});

/** Of an order that would change nothing: it is as wished, or will be by what is on its way. */
export const unneeded = z.strictObject({
	nothingToDo: z.string(),
	environment: z.string(),
	revision: z.int(),
	/** The operation that is on its way. */
	activeOperation: z.string().nullable(),
});

const label = z
	.string()
	.regex(
		/^[A-Za-z0-9._-]{1,63}=[A-Za-z0-9._-]{0,63}$/,
		"must be written as key=value",
	);

/** Whether no two of them have one key and another value. */
const nameEachOnce = (labels: readonly string[]): boolean =>
	new Set(labels).size ===
	new Set(labels.map((text) => text.split("=", 1)[0])).size;

export const createEnvironment = {
	name: "createEnvironment",
	summary: "Order an environment. Only its name is required.",
	method: "POST",
	path: "/v1/environments",
	permission: "environments:create",
	body: environmentSpec,
	status: 202,
	response: operation,
	orders: true,
	machinesNeedKey: true,
	isNamed: true,
	examples: [
		{
			summary: "A small one, for a branch, for two days",
			body: { name: "qa-1", ttl: "2d", labels: { branch: "main" } },
		},
		{
			summary: "A highly available one that sleeps at night",
			body: {
				name: "staging",
				size: "ha",
				release: "0.6.0",
				schedule: {
					timeZone: "Europe/Berlin",
					asleep: [{ from: "20:00", to: "07:00" }],
				},
			},
		},
		{
			summary: "Without analytics, with more of one process",
			body: {
				name: "lean",
				parameters: {
					features: { analytics: false },
					replicas: { data: 3 },
					backups: { retentionDays: 30 },
				},
			},
		},
	],
} as const satisfies Endpoint;

export const partOfEnvironment = partOf(environment);

export const listEnvironments = {
	name: "listEnvironments",
	summary:
		"List environments, newest first unless `sort` says otherwise. Destroyed ones only by lifecycle=destroyed.",
	method: "GET",
	path: "/v1/environments",
	permission: "environments:read",
	query: pageQuery.extend({
		lifecycle: z.enum(lifecycles).optional(),
		health: z.enum(healths).optional(),
		blueprint: z.enum(blueprintNames).optional(),
		/** With size: of the desired revision. */
		release: releaseName.optional(),
		size: z.enum(sizes).optional(),
		name: dnsLabel(environmentNameLength).optional(),
		/** May be repeated; all of them must be there. */
		label: z
			.array(label)
			.max(16)
			.refine(
				nameEachOnce,
				"must not ask for two values of one label, which nothing has",
			)
			.default([]),
		/** By what; a hyphen turns it round. */
		sort: z.enum(environmentSorts).default("-createdAt"),
		fields: fieldsOf(environment),
	}),
	status: 200,
	response: pageOf(environment),
	parts: pageOf(partOfEnvironment),
} as const satisfies Endpoint;

export const findEnvironment = {
	name: "findEnvironment",
	summary: "Look at an environment, by id or by its name in your tenant.",
	method: "GET",
	path: "/v1/environments/{id}",
	permission: "environments:read",
	params: byId,
	status: 200,
	response: environment,
	leadsTo: shownEnvironmentLeadsTo,
} as const satisfies Endpoint;

export const describeEnvironment = {
	name: "describeEnvironment",
	summary:
		"Change what needs no operation. Labels are replaced as a whole; what is not sent stays.",
	method: "PATCH",
	path: "/v1/environments/{id}",
	permission: "environments:describe",
	ifMatch: "required",
	params: byId,
	body: z
		.strictObject({
			labels: labels.optional(),
			description: environmentSpec.shape.description.unwrap().optional(),
			onExpiry: z.enum(onExpiries).optional(),
			failureTtl: environmentSpec.shape.failureTtl,
			schedule: schedule
				.nullable()
				.optional()
				.describe("Replaces the one before; null takes it away."),
			onDrift: z.enum(driftAnswers).optional(),
		})
		.refine(
			(change) => Object.keys(change).length > 0,
			"must have `labels`, `description`, `schedule`, `onDrift`, `onExpiry` or `failureTtl`",
		)
		.meta({ minProperties: 1 }),
	status: 200,
	response: environment,
	leadsTo: shownEnvironmentLeadsTo,
	examples: [
		{
			summary: "Other labels and words",
			body: {
				labels: { team: "a" },
				description: "Of the team A, for demonstrations.",
			},
		},
		{
			summary: "Asleep at weekends",
			body: {
				schedule: {
					timeZone: "Europe/Berlin",
					asleep: [{ from: "00:00", to: "24:00", days: ["sat", "sun"] }],
				},
			},
		},
		{ summary: "Awake by day and night", body: { schedule: null } },
	],
} as const satisfies Endpoint;

export const upgradeEnvironment = {
	name: "upgradeEnvironment",
	summary:
		"Bring an environment to another release, size or other parameters, in the documented order. What is not sent stays; of the parameters, a key that is sent replaces its whole value, and null takes it back to its default.",
	method: "POST",
	path: "/v1/environments/{id}:upgrade",
	permission: "environments:upgrade",
	ifMatch: "taken",
	params: byId,
	body: environmentChange
		.safeExtend({ previewId: previewReference.optional() })
		.meta(changeNeedsOne),
	status: 202,
	response: operation,
	unneeded,
	orders: true,
	examples: [
		{ summary: "To the size ha", body: { size: "ha" } },
		{
			summary: "Another parameter, left as it is if it fails",
			body: { parameters: { closedSignUp: true }, onFailure: "keep" },
		},
	],
} as const satisfies Endpoint;

export const hibernateEnvironment = {
	name: "hibernateEnvironment",
	summary:
		"Bring all workloads of an environment to zero, in order: what writes first, the data stores last. Claims, secrets, buckets and addresses stay.",
	method: "POST",
	path: "/v1/environments/{id}:hibernate",
	permission: "environments:hibernate",
	ifMatch: "taken",
	params: byId,
	query: z.strictObject({ previewId: previewReference.optional() }),
	status: 202,
	response: operation,
	unneeded,
	orders: true,
} as const satisfies Endpoint;

export const wakeEnvironment = {
	name: "wakeEnvironment",
	summary:
		"Bring a hibernated environment back as it was, the data stores first, and verify it.",
	method: "POST",
	path: "/v1/environments/{id}:wake",
	permission: "environments:wake",
	ifMatch: "taken",
	params: byId,
	query: z.strictObject({ previewId: previewReference.optional() }),
	status: 202,
	response: operation,
	unneeded,
	orders: true,
} as const satisfies Endpoint;

export const refreshEnvironment = {
	name: "refreshEnvironment",
	summary:
		"Compare an environment with what was applied, and put right what differs if `repair` says so. What is dangerous to repair, because data hang on it, is repaired with `acknowledge` only.",
	method: "POST",
	path: "/v1/environments/{id}:refresh",
	permission: "environments:refresh",
	ifMatch: "taken",
	params: byId,
	body: z.strictObject({
		repair: z.boolean().default(false),
		acknowledge: z.boolean().default(false),
	}),
	status: 202,
	response: operation,
	orders: true,
	examples: [
		{ summary: "Compare it only", body: {} },
		{ summary: "Put right what differs", body: { repair: true } },
	],
} as const satisfies Endpoint;

export const rollbackEnvironment = {
	name: "rollbackEnvironment",
	summary:
		"Go back to an older revision that worked: its program, release, size and parameters, against what is there now. Without `to`, to the last one before the current one.",
	method: "POST",
	path: "/v1/environments/{id}:rollback",
	permission: "environments:rollback",
	ifMatch: "taken",
	params: byId,
	body: rollbackOrder.extend({ previewId: previewReference.optional() }),
	status: 202,
	response: operation,
	unneeded,
	orders: true,
	examples: [
		{ summary: "To the last revision that worked", body: {} },
		{
			summary: "To the first one, with its data where they are there",
			body: { to: 1, data: "keep" },
		},
	],
} as const satisfies Endpoint;

export const extendEnvironment = {
	name: "extendEnvironment",
	summary:
		"Let an environment live for so long from now on, longer or shorter than before. What its expiry has ordered and nobody has begun is taken back.",
	method: "POST",
	path: "/v1/environments/{id}:extend",
	permission: "environments:extend",
	ifMatch: "taken",
	params: byId,
	body: extension,
	status: 200,
	response: environment,
	leadsTo: environmentLeadsTo,
	refuses: ["conflict"],
	examples: [
		{ summary: "Two hours from now on", body: { ttl: "2h" } },
		{ summary: "For ever", body: { ttl: null } },
	],
} as const satisfies Endpoint;

export const destroyEnvironment = {
	name: "destroyEnvironment",
	summary: "Destroy an environment.",
	method: "DELETE",
	path: "/v1/environments/{id}",
	permission: "environments:destroy",
	ifMatch: "taken",
	params: byId,
	query: destroyOrder.extend({ previewId: previewReference.optional() }),
	status: 202,
	response: operation,
	orders: true,
} as const satisfies Endpoint;

export const listRevisions = {
	name: "listRevisions",
	summary: "List the revisions of an environment, newest first.",
	method: "GET",
	path: "/v1/environments/{id}/revisions",
	permission: "environments:read",
	params: byId,
	status: 200,
	response: pageOf(revision),
} as const satisfies Endpoint;
