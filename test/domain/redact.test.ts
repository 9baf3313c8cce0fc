import assert from "node:assert/strict";
import { test } from "node:test";
import { listSecrets, makeRedactor } from "../../src/domain/redact.ts";
import { secretNames } from "../../src/domain/secret.ts";
import { givenInput } from "../engine/given.ts";

const input = givenInput();
const withKubeconfig = (kubeconfig: string) =>
	givenInput({ target: { ...input.target, kubeconfig } });

test("every secret of an environment is hidden, as it is and in base64", () => {
	const redact = makeRedactor(listSecrets(input));
	for (const name of secretNames) {
		const secret = input.secrets[name];
		const base64 = Buffer.from(secret).toString("base64");
		assert.equal(
			redact(`a ${secret} b ${base64} c`),
			"a [secret] b [secret] c",
			name,
		);
	}
});

for (const [form, kubeconfig] of [
	["YAML", "users:\n- name: u\n  user:\n    token: planted-token\n"],
	["quoted YAML", `users: [{user: {"token": "planted-token"}}]`],
	["JSON", JSON.stringify({ users: [{ user: { token: "planted-token" } }] })],
] as const) {
	test(`a kubeconfig's token is hidden when it stands alone (${form})`, () => {
		const redact = makeRedactor(listSecrets(withKubeconfig(kubeconfig)));
		assert.equal(redact("Bearer planted-token"), "Bearer [secret]");
	});
}

test("a secret that contains another is hidden as a whole", () => {
	const redact = makeRedactor(["planted", "planted-and-more"]);
	assert.equal(redact("planted-and-more planted"), "[secret] [secret]");
});

test("what is no secret stays", () => {
	const redact = makeRedactor(listSecrets(input));
	const text = 'secrets "one" is forbidden: exceeded quota';
	assert.equal(redact(text), text);
});
