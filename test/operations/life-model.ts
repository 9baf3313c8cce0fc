// A pure model of an operation's life: states, lease, line, crash and clock. It knows no database; what it says must
// be what the store says (life-model.test.ts).
import {
	cancelDeadlinesMs,
	type FinalState,
	isFinal,
	leaseMs,
	maxAttempts,
	type OperationKind,
	type OperationState,
	operationKinds,
	overrunMs,
	phaseDeadlineMs,
	phasesOf,
	queuedForMs,
	takesTurn,
} from "../../src/domain/operation.ts";

export interface ModelOperation {
	readonly environment: number;
	readonly kind: OperationKind;
	state: OperationState;
	attempt: number;
	/** The number of the claim that its fencing token is of. */
	holder: number | undefined;
	leaseLeftMs: number;
	pauseLeftMs: number;
	/** Undefined until it is claimed. */
	timeLeftMs: number | undefined;
	ageMs: number;
	sinceSentMs: number;
}

export interface Model {
	/** In the order in which they were asked for. */
	readonly operations: ModelOperation[];
	/** Which operation each claim so far took. */
	readonly claims: number[];
	/** Claims whose worker is gone for good; the others may be slow, but come back. */
	readonly crashed: Set<number>;
	/** How many events each environment has. */
	readonly events: number[];
}

export const createModel = (environments: number): Model => ({
	operations: [],
	claims: [],
	crashed: new Set(),
	events: Array.from({ length: environments }, () => 0),
});

export const isActive = ({ state }: ModelOperation): boolean =>
	state === "running" || state === "recovering" || state === "cancelling";

export function order(
	model: Model,
	environment: number,
	kind: OperationKind,
): void {
	model.operations.push({
		environment,
		kind,
		state: "queued",
		attempt: 0,
		holder: undefined,
		leaseLeftMs: 0,
		pauseLeftMs: 0,
		timeLeftMs: undefined,
		ageMs: 0,
		sinceSentMs: 0,
	});
	tell(model, environment, 1);
}

/** Somebody does not want it any more. */
export function cancelIt(model: Model, index: number): void {
	const one = pick(model, index);
	if (one.state === "queued") {
		one.state = "cancelled";
		tell(model, one.environment, 1);
	} else if (one.state === "running" || one.state === "recovering") {
		one.state = "cancelling";
		one.pauseLeftMs = 0;
		one.timeLeftMs = cancelDeadlinesMs.whole;
		tell(model, one.environment, 1);
	}
}

export function tell(model: Model, environment: number, count: number): void {
	model.events[environment] = (model.events[environment] ?? 0) + count;
}

export function mayBeClaimed(model: Model, one: ModelOperation): boolean {
	// One that is being cancelled is only ended: that does not count.
	if (one.attempt >= maxAttempts && one.state !== "cancelling") return false;
	if (one.state === "queued") {
		if (!takesTurn(one.kind)) return true;
		const before = model.operations.slice(0, model.operations.indexOf(one));
		return before.every(
			({ environment, state, kind }) =>
				environment !== one.environment || isFinal(state) || !takesTurn(kind),
		);
	}
	return (
		isActive(one) &&
		one.leaseLeftMs <= 0 &&
		one.pauseLeftMs <= 0 &&
		(one.timeLeftMs ?? 0) > 0
	);
}

export const budgetMs = (kind: OperationKind): number =>
	phasesOf[kind].reduce((sum, phase) => sum + phaseDeadlineMs(kind, phase), 0);

export function claimIt(model: Model, index: number): void {
	const one = pick(model, index);
	if (one.state === "queued") one.state = "running";
	else if (one.state !== "cancelling") one.state = "recovering";
	one.attempt += 1;
	one.holder = model.claims.length;
	one.leaseLeftMs = leaseMs;
	one.pauseLeftMs = 0;
	one.timeLeftMs ??= budgetMs(one.kind);
	model.claims.push(index);
}

export function pick(model: Model, index: number): ModelOperation {
	const one = model.operations[index];
	if (one === undefined) throw new Error(`the model has no ${index}`);
	return one;
}

/** The operation that this claim took. */
export const claimedBy = (model: Model, claim: number): ModelOperation =>
	pick(model, model.claims[claim] ?? -1);

/** Whether this claim's owner may write: at most one claim of each operation may. */
export function isEffective(model: Model, claim: number): boolean {
	const one = claimedBy(model, claim);
	return isActive(one) && one.holder === claim;
}

export const mayRenew = (model: Model, claim: number): boolean =>
	isEffective(model, claim) &&
	(claimedBy(model, claim).timeLeftMs ?? 0) > -overrunMs;

/** How the sweep ends an operation now; undefined when it leaves it alone. */
export function endsAs(one: ModelOperation): FinalState | undefined {
	if (one.state === "queued") {
		return one.ageMs >= queuedForMs ? "timed_out" : undefined;
	}
	if (!isActive(one) || one.leaseLeftMs > 0) return undefined;
	if (one.state === "cancelling") {
		return (one.timeLeftMs ?? 0) <= 0 ? "cancelled" : undefined;
	}
	if (one.attempt >= maxAttempts) return "stalled";
	return (one.timeLeftMs ?? 0) <= 0 ? "timed_out" : undefined;
}

export function advance(model: Model, ms: number): void {
	for (const one of model.operations) {
		if (isFinal(one.state)) continue;
		one.leaseLeftMs -= ms;
		one.pauseLeftMs -= ms;
		if (one.timeLeftMs !== undefined) one.timeLeftMs -= ms;
		one.ageMs += ms;
		one.sinceSentMs += ms;
	}
}

/** No operation can live longer than this, whatever happens. */
export const longestLifeMs =
	queuedForMs + Math.max(...operationKinds.map(budgetMs)) + overrunMs + leaseMs;
