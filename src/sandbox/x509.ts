// Issues X.509 certificates for the sandbox: the little of ASN.1's distinguished encoding (X.690) and of the
// certificate profile (RFC 5280) that a private authority needs. Keys and signatures are OpenSSL's.
import {
	createHash,
	createPrivateKey,
	createPublicKey,
	generateKeyPairSync,
	type KeyObject,
	randomBytes,
	sign,
	X509Certificate,
} from "node:crypto";
import { isIPv4 } from "node:net";

/** PEM texts. The key is a secret. */
export interface Pair {
	readonly certificate: string;
	readonly key: string;
}

export interface CertificateRequest {
	/** The user's name, for a client. */
	readonly commonName: string;
	/** Kubernetes reads it as the user's group. */
	readonly organization?: string;
	readonly use: "authority" | "server" | "client" | "peer";
	/** For servers: the names and addresses under which it is reached. */
	readonly hosts?: readonly string[];
	readonly notAfter: Date;
}

export interface Authority extends Pair {
	readonly commonName: string;
}

/** Issues a certificate with a new key, signed by `issuer`, or by itself without one. */
export function issueCertificate(
	request: CertificateRequest,
	issuer?: Authority,
): Pair {
	const { privateKey, publicKey } = generateKeyPairSync("ec", {
		namedCurve: "P-256",
	});
	const signer =
		issuer === undefined ? privateKey : createPrivateKey(issuer.key);
	const content = sequence(
		tagged(0, integer(Buffer.from([2]))),
		integer(makeSerial()),
		ecdsaWithSha256,
		encodeName(issuer ?? request),
		// An hour back, for clocks that disagree.
		sequence(time(new Date(Date.now() - 3_600_000)), time(request.notAfter)),
		encodeName(request),
		publicKey.export({ type: "spki", format: "der" }),
		tagged(
			3,
			sequence(
				...encodeUse(request),
				extension("2.5.29.14", octetString(identifyKey(publicKey))),
				extension(
					"2.5.29.35",
					sequence(encode(0x80, identifyKey(createPublicKey(signer)))),
				),
			),
		),
	);
	const signature = sign("sha256", content, {
		key: signer,
		dsaEncoding: "der",
	});
	const der = sequence(content, ecdsaWithSha256, bitString(signature));
	return {
		certificate: new X509Certificate(der).toString(),
		key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
	};
}

const encode = (tag: number, ...parts: readonly Buffer[]): Buffer => {
	const body = Buffer.concat(parts);
	return Buffer.concat([Buffer.from([tag]), encodeLength(body.length), body]);
};

function encodeLength(length: number): Buffer {
	if (length < 0x80) return Buffer.from([length]);
	const hex = length.toString(16);
	const bytes = Buffer.from(
		hex.padStart(hex.length + (hex.length % 2), "0"),
		"hex",
	);
	return Buffer.concat([Buffer.from([0x80 | bytes.length]), bytes]);
}

const sequence = (...parts: readonly Buffer[]) => encode(0x30, ...parts);
const set = (...parts: readonly Buffer[]) => encode(0x31, ...parts);
const tagged = (tag: number, part: Buffer) => encode(0xa0 | tag, part);
const integer = (bytes: Buffer) => encode(0x02, bytes);
const octetString = (part: Buffer) => encode(0x04, part);
const bitString = (bytes: Buffer, unusedBits = 0) =>
	encode(0x03, Buffer.from([unusedBits]), bytes);
const boolean = (value: boolean) =>
	encode(0x01, Buffer.from([value ? 0xff : 0]));

function oid(dotted: string): Buffer {
	const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
	const bytes = rest.flatMap((part) => {
		const digits = [part & 0x7f];
		for (let left = part >> 7; left > 0; left >>= 7)
			digits.unshift(0x80 | (left & 0x7f));
		return digits;
	});
	return encode(0x06, Buffer.from([first * 40 + second, ...bytes]));
}

/** GeneralizedTime from 2050 on, UTCTime before (RFC 5280 §4.1.2.5). */
function time(at: Date): Buffer {
	const text = `${at.toISOString().replace(/[-:T]|\.\d+/g, "")}`;
	return at.getUTCFullYear() < 2050
		? encode(0x17, Buffer.from(text.slice(2)))
		: encode(0x18, Buffer.from(text));
}

const ecdsaWithSha256 = sequence(oid("1.2.840.10045.4.3.2"));

/** Positive: the first bit of an INTEGER is its sign. */
function makeSerial(): Buffer {
	const bytes = randomBytes(16);
	bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
	return bytes;
}

function encodeName({
	commonName,
	organization,
}: Pick<CertificateRequest, "commonName" | "organization">): Buffer {
	const attribute = (type: string, value: string) =>
		set(sequence(oid(type), encode(0x0c, Buffer.from(value))));
	return sequence(
		...(organization === undefined
			? []
			: [attribute("2.5.4.10", organization)]),
		attribute("2.5.4.3", commonName),
	);
}

const extension = (id: string, value: Buffer, critical = false) =>
	sequence(oid(id), ...(critical ? [boolean(true)] : []), octetString(value));

const keyUses = {
	signCertificates: bitString(Buffer.from([0x06]), 1),
	signMessages: bitString(Buffer.from([0x80]), 7),
};
const serverAuth = oid("1.3.6.1.5.5.7.3.1");
const clientAuth = oid("1.3.6.1.5.5.7.3.2");
const extendedUses = {
	server: [serverAuth],
	client: [clientAuth],
	peer: [serverAuth, clientAuth],
};

function encodeUse({ use, hosts = [] }: CertificateRequest): Buffer[] {
	if (use === "authority") {
		return [
			extension("2.5.29.19", sequence(boolean(true)), true),
			extension("2.5.29.15", keyUses.signCertificates, true),
		];
	}
	return [
		extension("2.5.29.19", sequence(), true),
		extension("2.5.29.15", keyUses.signMessages, true),
		extension("2.5.29.37", sequence(...extendedUses[use])),
		...(hosts.length === 0
			? []
			: [extension("2.5.29.17", sequence(...hosts.map(encodeHost)))]),
	];
}

const encodeHost = (host: string): Buffer =>
	isIPv4(host)
		? encode(0x87, Buffer.from(host.split(".").map(Number)))
		: encode(0x82, Buffer.from(host));

/** Any value that is the same for the same key will do (RFC 5280 §4.2.1.2). */
const identifyKey = (key: KeyObject): Buffer =>
	createHash("sha1")
		.update(key.export({ type: "spki", format: "der" }))
		.digest();
