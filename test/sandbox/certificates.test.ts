import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect, createServer } from "node:tls";
import { openCertificates } from "../../src/sandbox/certificates.ts";
import { makeFolder } from "./given.ts";

const folder = makeFolder();
after(() => folder.remove());
const dir = join(folder.dir, "certificates");
const dayMs = 86_400_000;
const first = openCertificates(dir);
const parse = (name: string) => new X509Certificate(first.read(`${name}.crt`));

test("each certificate is signed by the authority that is asked about it", () => {
	for (const name of [
		"apiserver",
		"controller-manager",
		"scheduler",
		"kwok",
		"admin",
		"deployer",
	]) {
		assert.ok(parse(name).verify(parse("ca").publicKey), name);
	}
	for (const name of ["etcd", "etcd-client"]) {
		assert.ok(parse(name).verify(parse("etcd-ca").publicKey), name);
	}
	assert.ok(parse("ca").ca);
	assert.ok(!parse("admin").ca);
});

test("no client of the cluster is let in by etcd", () => {
	assert.ok(!parse("deployer").verify(parse("etcd-ca").publicKey));
	assert.ok(!parse("admin").verify(parse("etcd-ca").publicKey));
});

test("the deployer is an ordinary user and the one who looks around is not", () => {
	assert.equal(parse("deployer").subject, "CN=impresario-deployer");
	assert.equal(parse("admin").subject, "O=system:masters\nCN=sandbox-admin");
});

test("the server's certificate names the addresses under which it is reached", () => {
	assert.equal(parse("apiserver").checkIP("127.0.0.1"), "127.0.0.1");
	assert.equal(parse("apiserver").checkIP("10.96.0.1"), "10.96.0.1");
	assert.equal(
		parse("apiserver").checkHost("kubernetes.default.svc"),
		"kubernetes.default.svc",
	);
	assert.equal(parse("apiserver").checkHost("example.com"), undefined);
});

test("client and server accept one another over TLS", async () => {
	const server = createServer({
		ca: first.read("ca.crt"),
		cert: first.read("apiserver.crt"),
		key: first.read("apiserver.key"),
		requestCert: true,
	});
	const port = await new Promise<number>((fulfil) => {
		server.listen(0, "127.0.0.1", () => {
			const address = server.address();
			fulfil(typeof address === "object" ? (address?.port ?? 0) : 0);
		});
	});
	const seen = new Promise<string | undefined>((fulfil) => {
		server.once("secureConnection", (socket) => {
			const name: unknown = socket.getPeerCertificate().subject.CN;
			fulfil(socket.authorized ? String(name) : undefined);
			socket.end();
		});
	});
	const client = connect({
		port,
		host: "127.0.0.1",
		ca: first.read("ca.crt"),
		cert: first.read("deployer.crt"),
		key: first.read("deployer.key"),
	});
	assert.equal(await seen, "impresario-deployer");
	client.destroy();
	server.close();
});

test("only the owner may read them", () => {
	assert.equal(statSync(dir).mode & 0o777, 0o700);
	for (const file of readdirSync(dir)) {
		assert.equal(statSync(join(dir, file)).mode & 0o777, 0o600, file);
	}
});

test("they are made once", () => {
	const again = openCertificates(dir);
	assert.equal(again.read("admin.crt"), first.read("admin.crt"));
});

test("they are made anew before they run out, and tokens that were handed out stay valid", () => {
	const before = {
		admin: first.read("admin.crt"),
		tokens: first.read("service-accounts.key"),
	};
	const later = openCertificates(dir, Date.now() + 340 * dayMs);
	assert.notEqual(later.read("admin.crt"), before.admin);
	assert.equal(later.read("service-accounts.key"), before.tokens);
	const until = new X509Certificate(later.read("admin.crt")).validToDate;
	assert.ok(until.getTime() > Date.now() + 700 * dayMs);
});
