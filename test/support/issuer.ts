// A real OpenID Connect issuer on 127.0.0.1: it describes itself, publishes its keys, and signs what it is told to.
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import {
	type CryptoKey,
	exportJWK,
	generateKeyPair,
	type JWK,
	type JWTPayload,
	SignJWT,
} from "jose";

export interface SigningKey {
	/** undefined: what it signs does not say by which key. */
	readonly kid: string | undefined;
	readonly alg: string;
	readonly privateKey: CryptoKey;
	readonly publicKey: JWK;
}

export const audience = "impresario";

export interface TestIssuer {
	readonly url: string;
	/** What it was asked for, oldest first. */
	readonly asked: string[];
	/** `silent`: takes requests and never answers. */
	mood: "well" | "broken" | "silent";
	/** What it describes itself as, if not by its own URL. */
	alias: string | undefined;
	/** A key of its own that it publishes from now on; `only` withdraws the others. */
	addKey(alg?: string, only?: boolean): Promise<SigningKey>;
	/** Good for five minutes for us, unless `claims` say otherwise; undefined takes a claim away. Signed by its newest key. */
	sign(
		claims: JWTPayload & { readonly sub?: string },
		key?: SigningKey,
	): Promise<string>;
	close(): Promise<void>;
}

export async function createKey(alg = "ES256"): Promise<SigningKey> {
	const { privateKey, publicKey } = await generateKeyPair(alg, {
		extractable: true,
	});
	const kid = randomBytes(6).toString("hex");
	const jwk = { ...(await exportJWK(publicKey)), kid, alg, use: "sig" };
	return { kid, alg, privateKey, publicKey: jwk };
}

export async function openIssuer(): Promise<TestIssuer> {
	const keys: SigningKey[] = [await createKey()];
	const asked: string[] = [];
	const server = createServer((request, response) => {
		asked.push(request.url ?? "");
		if (issuer.mood === "silent") return;
		const documents: Record<string, object> = {
			"/.well-known/openid-configuration": {
				issuer: issuer.alias ?? issuer.url,
				jwks_uri: `${issuer.url}/keys`,
			},
			"/keys": { keys: keys.map(({ publicKey }) => publicKey) },
		};
		const found = documents[request.url ?? ""];
		const isWell = issuer.mood === "well" && found !== undefined;
		response.writeHead(isWell ? 200 : 500, {
			"content-type": "application/json",
		});
		response.end(JSON.stringify(isWell ? found : {}));
	});
	await new Promise<void>((fulfil) =>
		server.listen(0, "127.0.0.1", () => fulfil()),
	);
	const { port } = server.address() as AddressInfo;
	const issuer: TestIssuer = {
		url: `http://127.0.0.1:${port}`,
		asked,
		mood: "well",
		alias: undefined,
		async addKey(alg, only = false) {
			const key = await createKey(alg);
			if (only) keys.length = 0;
			keys.push(key);
			return key;
		},
		async sign(claims, signer) {
			const key = signer ?? keys.at(-1);
			if (key === undefined) throw new Error("the issuer has no key");
			const now = Math.floor(Date.now() / 1_000);
			return new SignJWT({
				iss: issuer.url,
				aud: audience,
				sub: "somebody",
				iat: now,
				exp: now + 300,
				...claims,
			})
				.setProtectedHeader({
					alg: key.alg,
					...(key.kid !== undefined && { kid: key.kid }),
				})
				.sign(key.privateKey);
		},
		close: () =>
			new Promise((fulfil) => {
				server.close(() => fulfil());
				server.closeAllConnections();
			}),
	};
	return issuer;
}
