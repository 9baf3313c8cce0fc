// How much is tested. An ordinary run takes some of what has many alike, and `npm run test:all` every one.

/** Whether every one is wanted. */
export const isThorough = process.env.TEST_ALL === "1";

/** All of them, or those of an ordinary run. */
export const sample = <T>(
	all: readonly T[],
	isOrdinary: (item: T, index: number) => boolean,
): readonly T[] => (isThorough ? all : all.filter(isOrdinary));
