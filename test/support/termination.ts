// What a killed or failed engine leaves as an echo in the process that lent it its program.

let isOverlooking = false;

/**
 * The SDK lets go of promises of a program whose CLI has ended, and a killed CLI is what some tests are
 * about. All other rejections go where they would have gone.
 */
export function overlookTermination(): void {
	if (isOverlooking) return;
	isOverlooking = true;
	const others = process.listeners("unhandledRejection");
	process.removeAllListeners("unhandledRejection");
	process.on("unhandledRejection", (reason, promise) => {
		if (/Resource monitor is terminating/.test(String(reason))) return;
		for (const listener of others) listener(reason, promise);
	});
}
