// What one caller may cost the service. Times are in milliseconds.

export interface Limits {
	/** A client that sends its request drop by drop is let go after this. */
	readonly headersTimeoutMs: number;
	readonly requestTimeoutMs: number;
	/** How often that is looked for. */
	readonly checkEveryMs: number;
	readonly keepAliveTimeoutMs: number;
	/** Of all headers of a request and its address together. */
	readonly maxHeaderBytes: number;
	readonly maxHeaders: number;
	/** When `/readyz` answers at the latest; what was not found out by then counts as missing. */
	readonly readyWithinMs: number;
	/** How long closing waits for what is on its way. */
	readonly closeWithinMs: number;
	/** The pause between two signs of life in a stream. */
	readonly pingMs: number;
	/** How long the reader of a stream that broke is asked to wait before it comes back. */
	readonly reconnectMs: number;
	/** How long the reader of a stream may leave unread what was sent. */
	readonly slowReaderMs: number;
	/** That one token may have open at a process. */
	readonly maxStreams: number;
}

export const defaultLimits: Limits = {
	headersTimeoutMs: 10_000,
	requestTimeoutMs: 30_000,
	checkEveryMs: 1_000,
	// Longer than load balancers keep idle connections (usually 60 s), so that it is never we who hang up first.
	keepAliveTimeoutMs: 65_000,
	maxHeaderBytes: 16 * 1024,
	maxHeaders: 100,
	// Kubernetes waits for a probe for 1 s by default: the answer that names what is missing must be there by then.
	readyWithinMs: 800,
	closeWithinMs: 10_000,
	// Shorter than the idle time of any usual proxy.
	pingMs: 15_000,
	reconnectMs: 2_000,
	slowReaderMs: 60_000,
	maxStreams: 1_000,
};
