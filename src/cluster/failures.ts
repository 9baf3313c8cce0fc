// What may go wrong between us and an API server, as Failures. Pure.
import { Failure } from "../failure.ts";
import type { Status } from "./objects.ts";

const connectionWords: Readonly<Record<string, string>> = {
	ECONNREFUSED: "it refuses the connection",
	ECONNRESET: "the connection was cut",
	EPIPE: "the connection was cut",
	ENOTFOUND: "its name is not known",
	EAI_AGAIN: "its name cannot be looked up",
	ETIMEDOUT: "the connection timed out",
	EHOSTUNREACH: "there is no way to it",
	ENETUNREACH: "there is no way to it",
};

// OpenSSL's verification results and Node's own check of the name, as Node's "X509 certificate error codes" lists them.
const isCertificateError = (code: string): boolean =>
	/^(CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_MISMATCH|INVALID_CA|ERR_TLS_CERT)/.test(
		code,
	);

function findCode(error: unknown): string {
	const code = (error as { code?: unknown } | null)?.code;
	return typeof code === "string" ? code : "unknown error";
}

/** For a connection that could not be made or broke. A certificate that is not trusted will not be trusted later either. */
export function makeConnectionFailure(
	address: string,
	error: unknown,
): Failure {
	const code = findCode(error);
	if (isCertificateError(code)) {
		return new Failure({
			code: "unavailable",
			message: `The Kubernetes API server at ${address} cannot be trusted: its certificate was not accepted (${code}).`,
			advice:
				"Check the server's address and the certificate authority in the target's kubeconfig.",
			cause: error,
		});
	}
	const words = connectionWords[code] ?? code;
	return makeUnavailable(address, words, error);
}

/** For an API server that does not answer, or not with an answer. `words` say how, without a full stop. */
export function makeUnavailable(
	address: string,
	words: string,
	cause?: unknown,
): Failure {
	return new Failure({
		code: "unavailable",
		message: `The Kubernetes API server at ${address} is not available: ${words}.`,
		advice:
			"Check that the target's cluster runs and can be reached from this service.",
		retryable: true,
		cause,
	});
}

export interface Refusal {
	readonly address: string;
	/** For a reader: "list pods in namespace acme-qa-1". */
	readonly what: string;
	readonly status: number;
	readonly body: Partial<Status>;
}

/** For an answer that says no, other than those that the caller expects. */
export function makeRefusalFailure(refusal: Refusal): Failure {
	const { address, what, status } = refusal;
	const said = refusal.body.message ?? `status ${status}`;
	if (status === 401) {
		return new Failure({
			code: "not_set_up",
			message: `The Kubernetes API server at ${address} does not accept the deployer's credentials.`,
			advice:
				"Renew the credentials in the target's kubeconfig: they have expired, were revoked, or belong to another cluster.",
		});
	}
	if (status === 403) return makeForbidden(refusal, said);
	if (status === 429 || status >= 500) {
		return makeUnavailable(address, `it answers ${status} (${said})`);
	}
	return new Failure({
		code: "internal",
		message: `The Kubernetes API server at ${address} refused to ${what}: ${said}.`,
	});
}

// The words of kube-apiserver's authorizer (apiserver/pkg/endpoints/handlers/responsewriters).
const missingRight =
	/cannot (?<verb>\S+) resource "(?<resource>[^"]+)" in API group "(?<group>[^"]*)"/;

// Not every 403 is about rights: quota, Pod Security and webhooks answer with it too.
function makeForbidden({ address, what }: Refusal, said: string): Failure {
	const lacks = missingRight.exec(said)?.groups;
	if (lacks === undefined) {
		return new Failure({
			code: "not_set_up",
			message: `The Kubernetes API server at ${address} does not admit it to ${what}: ${said}`,
			advice:
				"Read the server's reason: it is a quota, a policy or a webhook of the target's cluster.",
		});
	}
	const rule = `${lacks.verb} ${lacks.resource}${lacks.group === "" ? "" : `.${lacks.group}`}`;
	return new Failure({
		code: "not_set_up",
		message: `The deployer may not ${what} on the Kubernetes API server at ${address}: it lacks the right to ${rule}.`,
		advice: `Grant the deployer the verb "${lacks.verb}" on "${lacks.resource}" (API group "${lacks.group}").`,
	});
}

export function makeCancelled(message: string): Failure {
	return new Failure({ code: "cancelled", message });
}
