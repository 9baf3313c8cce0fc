// How much is tested. An ordinary run takes some of what has many alike and shows each verb as a part of the whole;
// `npm run test:all` takes every one, and the files that end in `.long.ts`, which go into each verb for minutes.

/** Whether every one is wanted. */
export const isThorough = process.env.TEST_ALL === "1";

/** All of them, or those of an ordinary run. */
export const sample = <T>(
	all: readonly T[],
	isOrdinary: (item: T, index: number) => boolean,
): readonly T[] => (isThorough ? all : all.filter(isOrdinary));
