// Loaded into a process before all else (`node --import`): its wall clock jumps an hour ahead at the signal SIGUSR2, and
// back at the next one. Its monotonic clock does not, as no machine's does.
const hourMs = 3_600_000;
const RealDate = globalThis.Date;
let offsetMs = 0;

process.on("SIGUSR2", () => {
	offsetMs = offsetMs === 0 ? hourMs : 0;
});

globalThis.Date = class extends RealDate {
	constructor(...args) {
		if (args.length === 0) super(RealDate.now() + offsetMs);
		else super(...args);
	}
	static now() {
		return RealDate.now() + offsetMs;
	}
};
