import { type Release, upstreamRelease } from "../../src/domain/release.ts";
import type { Readings } from "../statistics.ts";

/** One way to bring the same objects into a namespace of its own. */
export interface Way {
	readonly name: string;
	/** Fulfils when all workloads are ready. Seconds by row. */
	create(round: number): Promise<Readings>;
	/** Brings what `create` of the round made to another release. Fulfils when all of it is rolled out. Seconds by row. */
	upgrade(round: number, patch: number): Promise<Readings>;
	/** Fulfils when what `create` made, the namespace included, is gone. Seconds by row. */
	destroy(round: number): Promise<Readings>;
}

/** A release in which every process has another image than in that of another patch; 0 is the one that is created. */
export const releaseOf = (patch: number): Release =>
	upstreamRelease(`0.6.${patch}`, `0.15.${patch}`);

/** Prefix of the annotations by which a program tells the provider how to treat an object. */
export const tuningPrefix = "pulumi.com/";
