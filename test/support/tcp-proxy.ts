// A way to a server that can be closed: the server itself goes on, and for whoever comes through here it is away.
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

export interface TcpProxy {
	readonly port: number;
	/** Ends what goes through and refuses what comes. */
	close(): Promise<void>;
	/** Lets in again, at the same port. */
	reopen(): Promise<void>;
}

/** To a port of 127.0.0.1. */
export async function startTcpProxy(target: number): Promise<TcpProxy> {
	const sockets = new Set<Socket>();
	let server: Server = await listen(0);

	async function listen(port: number): Promise<Server> {
		const listener = createServer((inward) => {
			const outward = connect(target, "127.0.0.1");
			for (const [socket, other] of [
				[inward, outward],
				[outward, inward],
			] as const) {
				sockets.add(socket);
				socket.on("error", () => undefined);
				socket.on("close", () => {
					sockets.delete(socket);
					other.destroy();
				});
				socket.pipe(other);
			}
		}).listen(port, "127.0.0.1");
		await once(listener, "listening");
		return listener;
	}

	const address = server.address();
	if (address === null || typeof address === "string") {
		throw new Error("no port");
	}
	const { port } = address;
	return {
		port,
		async close() {
			const closed = once(server, "close");
			server.close();
			for (const socket of sockets) socket.destroy();
			await closed;
		},
		async reopen() {
			server = await listen(port);
		},
	};
}
