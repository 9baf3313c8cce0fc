/** How patient a cluster's client is. All in milliseconds. */
export interface ClusterLimits {
	/** One request, from its first byte to the last of its answer. */
	readonly requestTimeoutMs: number;
	/** How long the API server may be away before what waits for it gives up. */
	readonly outageMs: number;
	/** How long a reason that will not pass by itself may stand before it is believed. */
	readonly stuckGraceMs: number;
	/** How long a reason that may pass by itself stands before it is told. */
	readonly reportAfterMs: number;
	/**
	 * How long one watch lasts before it is asked for anew. It is also the longest time for which a
	 * connection that died without a word keeps us blind.
	 */
	readonly watchMs: number;
}

export const defaultLimits: ClusterLimits = {
	requestTimeoutMs: 15_000,
	outageMs: 30_000,
	stuckGraceMs: 8_000,
	reportAfterMs: 1_000,
	watchMs: 30_000,
};
