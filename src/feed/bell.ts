// Waiting for news, without missing those that come while nobody waits.

export interface Bell {
	ring(): void;
	/** Fulfils at once if it rang since the last time; otherwise when it rings, or after `ms`. */
	heard(ms?: number): Promise<void>;
}

export function makeBell(): Bell {
	let hasRung = false;
	let wake = () => {};
	return {
		ring() {
			hasRung = true;
			wake();
		},
		async heard(ms) {
			if (!hasRung) {
				await new Promise<void>((fulfil) => {
					const timer = ms === undefined ? undefined : setTimeout(fulfil, ms);
					wake = () => {
						clearTimeout(timer);
						fulfil();
					};
				});
				wake = () => {};
			}
			hasRung = false;
		},
	};
}
