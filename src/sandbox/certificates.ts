// The sandbox's authorities, certificates and keys: made once, kept for its owner's eyes only, made anew
// before they run out.
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import {
	existsSync,
	mkdirSync,
	readFileSync,
	renameSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type Authority, issueCertificate, type Pair } from "./x509.ts";

const validMs = 365 * 86_400_000;
const renewBeforeMs = 30 * 86_400_000;

const clusterHosts = [
	"127.0.0.1",
	"localhost",
	"kubernetes",
	"kubernetes.default",
	"kubernetes.default.svc",
	"kubernetes.default.svc.cluster.local",
	// The first address of the service range.
	"10.96.0.1",
];

const authorities = {
	ca: "sandbox",
	// etcd lets in whoever its authority signed, and it holds everything: no client of the cluster may be.
	"etcd-ca": "sandbox-etcd",
} as const;

/** Whom the cluster knows, and as what. Only what looks around and what plays the nodes may do everything. */
const leaves = {
	apiserver: {
		ca: "ca",
		commonName: "kube-apiserver",
		use: "server",
		hosts: clusterHosts,
	},
	"controller-manager": {
		ca: "ca",
		commonName: "system:kube-controller-manager",
		use: "client",
	},
	scheduler: { ca: "ca", commonName: "system:kube-scheduler", use: "client" },
	kwok: {
		ca: "ca",
		commonName: "kwok",
		organization: "system:masters",
		use: "client",
	},
	admin: {
		ca: "ca",
		commonName: "sandbox-admin",
		organization: "system:masters",
		use: "client",
	},
	deployer: { ca: "ca", commonName: "impresario-deployer", use: "client" },
	etcd: {
		ca: "etcd-ca",
		commonName: "etcd",
		use: "peer",
		hosts: ["127.0.0.1", "localhost"],
	},
	"etcd-client": { ca: "etcd-ca", commonName: "kube-apiserver", use: "client" },
} as const;

export type LeafName = keyof typeof leaves;
export type AuthorityName = keyof typeof authorities;

export interface Certificates {
	path(file: string): string;
	/** The PEM text of a file. */
	read(file: string): string;
	load(name: LeafName): Pair;
}

/** Opens the folder of certificates, which is made (mode 0700, files 0600) or renewed if need be. `now` is in milliseconds. */
export function openCertificates(dir: string, now = Date.now()): Certificates {
	if (!isUsable(dir, now)) makeCertificates(dir, now);
	const path = (file: string) => join(dir, file);
	const read = (file: string) => readFileSync(path(file), "utf8");
	return {
		path,
		read,
		load: (name) => ({
			certificate: read(`${name}.crt`),
			key: read(`${name}.key`),
		}),
	};
}

function isUsable(dir: string, now: number): boolean {
	try {
		const names = [...Object.keys(authorities), ...Object.keys(leaves)];
		return (
			existsSync(join(dir, "service-accounts.key")) &&
			names.every((name) => {
				const text = readFileSync(join(dir, `${name}.crt`));
				const until = new X509Certificate(text).validToDate.getTime();
				return until - now > renewBeforeMs;
			})
		);
	} catch {
		return false;
	}
}

/** Beside their place first: a crash leaves a whole set or none. */
function makeCertificates(dir: string, now: number): void {
	const next = `${dir}.next`;
	rmSync(next, { recursive: true, force: true });
	mkdirSync(next, { recursive: true, mode: 0o700 });
	const write = (file: string, text: string) =>
		writeFileSync(join(next, file), text, { mode: 0o600 });
	const writePair = (name: string, pair: Pair) => {
		write(`${name}.crt`, pair.certificate);
		write(`${name}.key`, pair.key);
	};

	const notAfter = new Date(now + validMs);
	const signers = new Map<AuthorityName, Authority>();
	for (const [name, commonName] of Object.entries(authorities)) {
		const pair = issueCertificate({ commonName, use: "authority", notAfter });
		signers.set(name as AuthorityName, { commonName, ...pair });
		writePair(name, pair);
	}
	for (const [name, { ca, ...request }] of Object.entries(leaves)) {
		writePair(
			name,
			issueCertificate({ ...request, notAfter }, signers.get(ca)),
		);
	}
	const tokens = keepTokenKeys(dir) ?? makeTokenKeys();
	write("service-accounts.key", tokens.key);
	write("service-accounts.pub", tokens.pub);
	rmSync(dir, { recursive: true, force: true });
	renameSync(next, dir);
}

interface TokenKeys {
	readonly key: string;
	readonly pub: string;
}

/** A renewal leaves these as they are: tokens that were handed out stay valid. */
function keepTokenKeys(dir: string): TokenKeys | undefined {
	try {
		return {
			key: readFileSync(join(dir, "service-accounts.key"), "utf8"),
			pub: readFileSync(join(dir, "service-accounts.pub"), "utf8"),
		};
	} catch {
		return undefined;
	}
}

function makeTokenKeys(): TokenKeys {
	const { privateKey, publicKey } = generateKeyPairSync("rsa", {
		modulusLength: 2048,
	});
	return {
		key: privateKey.export({ type: "pkcs1", format: "pem" }).toString(),
		pub: publicKey.export({ type: "spki", format: "pem" }).toString(),
	};
}
