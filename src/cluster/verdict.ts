/** What can be said of an object that somebody waits for. */
export type Verdict = { readonly state: "ready" } | Waiting | Stuck;

export interface Waiting {
	readonly state: "waiting";
	/** For a reader: "1 of 2 replicas are available". */
	readonly reason: string;
}

export interface Stuck {
	readonly state: "stuck";
	/** Kubernetes' own word where there is one: "ImagePullBackOff". */
	readonly reason: string;
	readonly message: string;
	/** What a person does about it. */
	readonly advice: string;
	/** Whether it will not pass by itself. */
	readonly lasting: boolean;
}

export const ready: Verdict = { state: "ready" };

export const makeWaiting = (reason: string): Waiting => ({
	state: "waiting",
	reason,
});

export const makeStuck = (details: Omit<Stuck, "state">): Stuck => ({
	state: "stuck",
	...details,
});

function rank(verdict: Verdict): number {
	if (verdict.state === "stuck") return verdict.lasting ? 3 : 2;
	return verdict.state === "waiting" ? 1 : 0;
}

/** The verdict that a person should see first; the earlier one of equals. */
export function findWorst(verdicts: readonly Verdict[]): Verdict {
	return verdicts.reduce(
		(worst, next) => (rank(next) > rank(worst) ? next : worst),
		ready,
	);
}
