// A PostgreSQL server behind a line that can be cut at the worst moment: right after a COMMIT was passed on.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface CuttingProxy {
	/** The server's address, by way of the proxy. */
	readonly url: string;
	/** Of the next connection that commits, passes the COMMIT on and swallows its answer. Fulfils when that is done. */
	cutNextCommit(): Promise<void>;
	/** While it is true, no connection comes through and those that stood are cut. */
	setAway(isAway: boolean): void;
	close(): Promise<void>;
}

export async function startCuttingProxy(target: string): Promise<CuttingProxy> {
	const { hostname, port } = new URL(target);
	const sockets = new Set<Socket>();
	let armed: (() => void) | undefined;
	let away = false;

	const server = createServer((client) => {
		if (away) {
			client.destroy();
			return;
		}
		const upstream = connect(Number(port), hostname);
		for (const socket of [client, upstream]) {
			sockets.add(socket);
			socket.on("error", () => {});
			socket.on("close", () => sockets.delete(socket));
		}
		client.on("close", () => upstream.destroy());
		upstream.on("close", () => client.destroy());
		let isCut = false;
		client.on("data", (data) => {
			if (armed !== undefined && /\bcommit\b/i.test(data.toString("latin1"))) {
				isCut = true;
				const done = armed;
				armed = undefined;
				// The server's word that it has committed comes this far and no further.
				upstream.once("data", () => {
					client.destroy();
					done();
				});
			}
			upstream.write(data);
		});
		upstream.on("data", (data) => {
			if (!isCut) client.write(data);
		});
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");

	const url = new URL(target);
	url.hostname = "127.0.0.1";
	url.port = String((server.address() as AddressInfo).port);
	return {
		url: url.href,
		cutNextCommit: () =>
			new Promise((fulfil) => {
				armed = fulfil;
			}),
		setAway(isAway) {
			away = isAway;
			if (isAway) for (const socket of sockets) socket.destroy();
		},
		async close() {
			for (const socket of sockets) socket.destroy();
			server.close();
			await once(server, "close");
		},
	};
}
