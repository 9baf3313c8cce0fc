// Loaded into the service before itself: collects garbage when told to, so that what is measured is what is held.
process.on("SIGUSR2", () => {
	globalThis.gc();
	globalThis.gc();
});
