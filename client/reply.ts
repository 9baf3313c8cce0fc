// What a call gives: a promise of the thing itself, and, for who asks, of what was said around it.

export interface Received<T> {
	readonly data: T;
	readonly status: number;
	/** ETag, Location, Retry-After, what is left of a rate limit, and so on. */
	readonly headers: Headers;
}

export interface Reply<T> extends Promise<T> {
	/** The thing with status and headers. A refusal is thrown all the same; its headers are the problem's. */
	withResponse(): Promise<Received<T>>;
}

export function makeReply<T>(received: Promise<Received<T>>): Reply<T> {
	const data = received.then((all) => all.data);
	return Object.assign(data, {
		withResponse() {
			// Who asks for all is told of a refusal by that promise, and listens to this one no more.
			data.catch(() => {});
			return received;
		},
	});
}
