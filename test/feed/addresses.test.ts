// Where a webhook may lead, looked at when the connection is made.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { TargetPolicy } from "../../src/domain/webhook.ts";
import { openPoster, type PosterOptions } from "../../src/feed/post.ts";
import { startReceiver } from "../support/receiver.ts";
import { localPolicy } from "./hooks.ts";

const strict: TargetPolicy = {
	allowedHosts: [],
	allowedCidrs: [],
	allowsHttp: true,
};
const receiver = await startReceiver();
after(() => receiver.close());

async function post(
	url: string,
	policy: TargetPolicy,
	options: Partial<PosterOptions> = {},
) {
	const poster = openPoster({ policy, timeoutMs: 5_000, ...options });
	try {
		return await poster.post(
			{ url, headers: {}, body: "{}" },
			new AbortController().signal,
		);
	} finally {
		poster.close();
	}
}

const notPublic = "The target's address is not a public one.";
const resolveTo =
	(...addresses: string[]) =>
	async () =>
		addresses.map((address) => ({
			address,
			family: address.includes(":") ? 6 : 4,
		}));

const forbidden = [
	"127.0.0.1",
	"127.8.9.1",
	"0.0.0.0",
	"10.0.0.1",
	"172.16.0.1",
	"192.168.1.1",
	"100.64.0.1",
	"169.254.169.254",
	"192.0.2.1",
	"198.18.0.1",
	"224.0.0.1",
	"240.0.0.1",
	"255.255.255.255",
	"::",
	"::1",
	"::127.0.0.1",
	"::ffff:127.0.0.1",
	"::ffff:10.0.0.1",
	"::ffff:a9fe:a9fe",
	"64:ff9b::10.0.0.1",
	"64:ff9b:1::10.0.0.1",
	"2002:7f00:1::",
	"2001:0:1::1",
	"2001:db8::1",
	"fe80::1",
	"fec0::1",
	"fc00::1",
	"fd00:ec2::254",
	"ff02::1",
];

for (const address of forbidden) {
	test(`nothing is sent to ${address}, neither written so nor found by a name`, async () => {
		const host = address.includes(":") ? `[${address}]` : address;
		for (const protocol of ["http", "https"]) {
			const literal = await post(
				`${protocol}://${host}:${receiver.port}/`,
				strict,
			);
			assert.equal(literal.error, notPublic);
			const named = await post(
				`${protocol}://hooks.example.com:${receiver.port}/`,
				strict,
				{ resolve: resolveTo(address) },
			);
			assert.equal(named.error, notPublic);
		}
		assert.equal(receiver.received.length, 0);
	});
}

for (const host of [
	"2130706433",
	"0x7f.1",
	"0177.0.0.1",
	"127.1",
	"localhost",
]) {
	test(`nothing is sent to ${host}, which is this machine in disguise`, async () => {
		const { error } = await post(`http://${host}:${receiver.port}/`, strict);
		assert.equal(error, notPublic);
		assert.equal(receiver.received.length, 0);
	});
}

for (const [what, policy] of [
	["its range", { ...strict, allowedCidrs: ["127.0.0.0/8"] }],
	["its name", { ...strict, allowedHosts: ["hooks.example.com"] }],
] as const) {
	test(`the operator may allow a target by ${what}`, async () => {
		receiver.received.length = 0;
		const { status } = await post(
			`http://hooks.example.com:${receiver.port}/`,
			policy,
			{ resolve: resolveTo("127.0.0.1") },
		);
		assert.equal(status, 204);
		assert.equal(receiver.received.length, 1);
		receiver.received.length = 0;
	});
}

test("a name that means another address at each question gets to none that is forbidden", async (t) => {
	const secret = await startReceiver("127.0.0.2");
	t.after(() => secret.close());
	let questions = 0;
	const resolve = () =>
		resolveTo(questions++ % 2 === 0 ? "127.0.0.1" : "127.0.0.2")();
	const answers: (number | string | null)[] = [];
	for (let index = 0; index < 4; index++) {
		const { status, error } = await post(
			`http://rebinding.example.com:${secret.port}/`,
			localPolicy,
			{ resolve },
		);
		answers.push(status ?? error);
	}
	// At the allowed address nobody listens on that port.
	assert.deepEqual(answers, [
		"Nobody listens there.",
		notPublic,
		"Nobody listens there.",
		notPublic,
	]);
	assert.equal(secret.received.length, 0);
});

test("of several addresses only the allowed ones are tried", async (t) => {
	const secret = await startReceiver("127.0.0.2");
	t.after(() => secret.close());
	const { error } = await post(
		`http://hooks.example.com:${secret.port}/`,
		localPolicy,
		{ resolve: resolveTo("127.0.0.2", "127.0.0.1") },
	);
	assert.equal(error, "Nobody listens there.");
	assert.equal(secret.received.length, 0);
});

test("a redirect is not followed", async (t) => {
	const secret = await startReceiver("127.0.0.2");
	const redirector = await startReceiver();
	t.after(() => Promise.all([secret.close(), redirector.close()]));
	for (const status of [301, 302, 303, 307, 308]) {
		redirector.answer(() => ({ status, headers: { location: secret.url } }));
		const attempt = await post(redirector.url, localPolicy);
		assert.equal(attempt.status, status);
	}
	assert.equal(secret.received.length, 0);
});

test("http is spoken only where the operator allows it", async () => {
	const { error } = await post(receiver.url, {
		...localPolicy,
		allowsHttp: false,
	});
	assert.equal(error, "The target is not reached over https.");
	assert.equal(receiver.received.length, 0);
});

test("a receiver that closes connections between messages gets all of them", async (t) => {
	const closer = await startReceiver();
	t.after(() => closer.close());
	closer.answer(() => ({ status: 200, headers: { connection: "close" } }));
	const poster = openPoster({ policy: localPolicy });
	t.after(async () => poster.close());
	for (let index = 0; index < 5; index++) {
		const { status } = await poster.post(
			{ url: closer.url, headers: {}, body: "{}" },
			new AbortController().signal,
		);
		assert.equal(status, 200);
	}
	assert.equal(closer.received.length, 5);
});
