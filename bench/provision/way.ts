import type { Readings } from "../statistics.ts";

/** One way to bring the same objects into a namespace of its own. */
export interface Way {
	readonly name: string;
	/** Fulfils when all workloads are ready. Seconds by row. */
	create(round: number): Promise<Readings>;
	/** Fulfils when what `create` made, the namespace included, is gone. Seconds by row. */
	destroy(round: number): Promise<Readings>;
}

/** Prefix of the annotations by which a program tells the provider how to treat an object. */
export const tuningPrefix = "pulumi.com/";
