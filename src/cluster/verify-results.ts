// What the verification found, from the termination message of its pod. Pure.
import type { Check } from "../domain/blueprint.ts";
import type { CheckResult, VerifyRequest } from "../domain/cluster.ts";
import { Failure } from "../failure.ts";

/** How the verification's container ended. */
export interface Ending {
	readonly exitCode: number;
	readonly reason: string | undefined;
	readonly message: string | undefined;
}

/** What the Job found: versions, and each promise that is not kept, as words for a reader. */
export interface Verdict {
	/** Process → the version that it answered, for those that answer one. */
	readonly versions: Record<string, string>;
	readonly broken: readonly string[];
}

/** Throws `verification_failed` when there are no findings. */
export function decideVerification(
	{ namespace, checks }: Pick<VerifyRequest, "namespace" | "checks">,
	ending: Ending,
): Verdict {
	const results = parseResults(ending.message);
	if (results === undefined) throw makeSilentFailure(namespace, ending);
	const byProcess = new Map(results.map((result) => [result.process, result]));
	return {
		broken: checks.flatMap((check) => {
			const got = findFault(check, byProcess.get(check.process));
			return got === undefined ? [] : [`${check.process} (${got})`];
		}),
		versions: Object.fromEntries(
			checks.flatMap(({ process }) => {
				const version = byProcess.get(process)?.version ?? null;
				return version === null ? [] : [[process, version]];
			}),
		),
	};
}

/** Throws `verification_failed`, naming each of them, if there are any. */
export function requireKept(
	namespace: string,
	promised: number,
	broken: readonly string[],
): void {
	if (broken.length === 0) return;
	throw new Failure({
		code: "verification_failed",
		message: `${broken.length} of ${promised} promises of the environment are not kept: ${broken.join(", ")}.`,
		untouched: "Everything was left running as it is, for you to look at.",
		advice: `Compare the release's images with what runs, and look at the named parts: kubectl -n ${namespace} get pods; kubectl -n ${namespace} logs deployment/<part>`,
	});
}

/** What was got instead of what was promised. The script compares too; here its word is not simply taken. */
function findFault(
	check: Check,
	result: CheckResult | undefined,
): string | undefined {
	const expect = (got: string) =>
		check.version === null ? got : `expected ${check.version}, got ${got}`;
	if (result === undefined) return expect("no finding");
	if (check.version !== null && result.version !== null) {
		return result.version === check.version
			? undefined
			: expect(result.version);
	}
	if (result.error !== null) return expect(result.error);
	return check.version === null ? undefined : expect("no version");
}

function parseResults(
	message: string | undefined,
): readonly CheckResult[] | undefined {
	try {
		const parsed: unknown = JSON.parse(message ?? "");
		return Array.isArray(parsed) && parsed.every(isResult) ? parsed : undefined;
	} catch {
		return undefined;
	}
}

function isResult(value: unknown): value is CheckResult {
	if (typeof value !== "object" || value === null) return false;
	const { process, version, error } = value as Record<string, unknown>;
	const isTextOrNull = (part: unknown) =>
		part === null || typeof part === "string";
	return (
		typeof process === "string" && isTextOrNull(version) && isTextOrNull(error)
	);
}

function makeSilentFailure(namespace: string, ending: Ending): Failure {
	const reason = ending.reason === undefined ? "" : ` (${ending.reason})`;
	return new Failure({
		code: "verification_failed",
		message: `The verification in namespace ${namespace} ended with exit code ${ending.exitCode}${reason} and left no findings.`,
		untouched: "Everything was left running as it is, for you to look at.",
		advice:
			"Check that the release's image of the server has Node in it: the verification runs in that image.",
	});
}
