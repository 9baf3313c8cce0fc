// Keeps secrets out of what an update says. Pulumi hides what it knows to be secret; a provider's error may
// still quote a value, and so may an error of the program.
import type { BlueprintInput } from "./blueprint.ts";
import { splitParameters } from "./parameters.ts";

// Shorter values would also be found by chance.
const minLength = 6;

const credentialsInKubeconfig =
	/["']?(?:token|password|client-key-data)["']?\s*:\s*["']?([^\s"',}]+)/g;

/** The secret values of a program's input, as they are and as Kubernetes writes them. */
export function listSecrets(input: BlueprintInput): string[] {
	const { kubeconfig } = input.target;
	const values = [
		...Object.values(input.secrets),
		kubeconfig,
		input.target.aws?.secretAccessKey ?? "",
		...splitParameters(input.parameters).secrets.values(),
		...[...kubeconfig.matchAll(credentialsInKubeconfig)].map(
			(match) => match[1] ?? "",
		),
	].filter((value) => value.length >= minLength);
	return values.flatMap((value) => [
		value,
		Buffer.from(value).toString("base64"),
	]);
}

/** A function that replaces each of the secrets in a text. */
export function makeRedactor(
	secrets: readonly string[],
): (text: string) => string {
	// Longest first: one secret may be a part of another.
	const ordered = [...new Set(secrets)].sort((a, b) => b.length - a.length);
	return (text) =>
		ordered.reduce((rest, secret) => rest.replaceAll(secret, "[secret]"), text);
}
