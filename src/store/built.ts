// Queries that every request asks, built once: kysely takes as much of the processor to build one as PostgreSQL to answer it.
import type { Compilable, CompiledQuery } from "kysely";
import type { Db } from "./db.ts";

/** Stands for a value while a query is built. */
class Place {
	readonly index: number;
	constructor(index: number) {
		this.index = index;
	}
}

/**
 * Asks for the rows of the query that `build` makes, which has to be the same whatever the values are, and to take each of
 * them as a parameter as it stands. Throws a TypeError where one is not among the parameters.
 */
export function buildOnce<V extends readonly unknown[], R>(
	build: (db: Db, ...values: V) => Compilable<R>,
): (db: Db, ...values: V) => Promise<R[]> {
	let built: CompiledQuery<R> | undefined;
	return async (db, ...values) => {
		built ??= compile(build, db, values.length);
		const parameters = built.parameters.map((parameter) =>
			parameter instanceof Place ? values[parameter.index] : parameter,
		);
		return (await db.executeQuery<R>({ ...built, parameters })).rows;
	};
}

function compile<V extends readonly unknown[], R>(
	build: (db: Db, ...values: V) => Compilable<R>,
	db: Db,
	count: number,
): CompiledQuery<R> {
	const places = Array.from({ length: count }, (_, index) => new Place(index));
	const query = build(db, ...(places as readonly unknown[] as V)).compile();
	const missing = places.filter((place) => !query.parameters.includes(place));
	if (missing.length === 0) return query;
	throw new TypeError(
		`not parameters of the query: ${missing.map(({ index }) => index).join(", ")}`,
	);
}
