// What the verification found, from the termination message of its pod. Pure.
import type { VersionCheck } from "../domain/blueprint.ts";
import type { CheckResult, VerifyRequest } from "../domain/cluster.ts";
import { Failure } from "../failure.ts";

/** How the verification's container ended. */
export interface Ending {
	readonly exitCode: number;
	readonly reason: string | undefined;
	readonly message: string | undefined;
}

/**
 * Process → the version that it answered, for those that answer one. Throws `verification_failed` naming
 * each endpoint that did not answer as promised, and what it answered.
 */
export function decideVerification(
	{ namespace, checks }: Pick<VerifyRequest, "namespace" | "checks">,
	ending: Ending,
): Record<string, string> {
	const results = parseResults(ending.message);
	if (results === undefined) throw makeSilentFailure(namespace, ending);
	const byProcess = new Map(results.map((result) => [result.process, result]));
	const broken = checks.flatMap((check) => {
		const got = findFault(check, byProcess.get(check.process));
		if (got === undefined) return [];
		const expected = check.version ?? "an answer";
		return `${check.process} (expected ${expected}, got ${got})`;
	});
	if (broken.length > 0) {
		throw new Failure({
			code: "verification_failed",
			message: `${broken.length} of ${checks.length} version endpoints did not answer as promised: ${broken.join(", ")}.`,
			untouched: "Everything was left running as it is, for you to look at.",
			advice: `Compare the release's images with what runs, and read what the named processes write: kubectl -n ${namespace} logs deployment/<process>`,
		});
	}
	return Object.fromEntries(
		checks.flatMap(({ process }) => {
			const version = byProcess.get(process)?.version ?? null;
			return version === null ? [] : [[process, version]];
		}),
	);
}

/** What was got instead of what was promised. The script compares too; here its word is not simply taken. */
function findFault(
	check: VersionCheck,
	result: CheckResult | undefined,
): string | undefined {
	if (result === undefined) return "no finding";
	if (check.version !== null && result.version !== null) {
		return result.version === check.version ? undefined : result.version;
	}
	if (result.error !== null) return result.error;
	return check.version === null ? undefined : "no version";
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
