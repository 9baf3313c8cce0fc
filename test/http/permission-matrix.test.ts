// Role × route × own and foreign tenant × standing of the token, generated from the list of declarations. What is expected
// is read from the table in domain/permission.ts, which is what the door reads too: nothing of it is written here again.
import assert from "node:assert/strict";
import { after, before, mock, test } from "node:test";
import { sql } from "kysely";
import pg from "pg";
import { problem } from "../../src/contract/problem.ts";
import { findUsage } from "../../src/contract/tenants.ts";
import { hasPermission } from "../../src/domain/permission.ts";
import {
	platformTenant,
	type Role,
	roles,
	type Tenant,
	tenantRoles,
} from "../../src/domain/tenant.ts";
import { createTokenText, hashToken } from "../../src/domain/token.ts";
import { findTenant } from "../../src/store/tenants.ts";
import { createToken, revokeToken } from "../../src/store/tokens.ts";
import { type Answer, answered } from "../support/answers.ts";
import { askAny } from "../support/ask-by-path.ts";
import { type Door, openDoor } from "./door.ts";
import {
	composeExample,
	type Examples,
	givenExamples,
	guarded,
} from "./examples.ts";

type Guarded = (typeof guarded)[number]["endpoint"];

const standings = ["valid", "revoked", "expired"] as const;
type Standing = (typeof standings)[number];

interface Caller {
	readonly role: Role;
	/** The tenant whose things are asked for is `acme`. */
	readonly tenant: string;
	readonly standing: Standing;
	readonly token: string;
}

let door: Door;
let examples: Examples;
const callers: Caller[] = [];

before(async () => {
	door = await openDoor();
	examples = await givenExamples(door);
	// When a token is used is noted once a minute, beside some request or other. Not of the stranger's, whose are compared.
	const { token } = door.stranger.actor;
	await sql`update tokens set last_used_at = now() + interval '1 day' where id = ${token}`.execute(
		door.db,
	);
	for (const name of ["acme", "globex", platformTenant]) {
		const tenant = await findTenant(door.db, name);
		assert.ok(tenant);
		const own = name === platformTenant ? roles : tenantRoles;
		for (const role of own)
			for (const standing of standings)
				callers.push(await givenCaller(tenant, role, standing));
	}
});
after(() => door?.close());

async function givenCaller(
	tenant: Tenant,
	role: Role,
	standing: Standing,
): Promise<Caller> {
	const token = createTokenText();
	const { id } = await createToken(door.db, {
		tenant: tenant.id,
		// Not the name of who ordered what is to be approved.
		name: `${standing} ${role} of ${tenant.name}`,
		role,
		hash: hashToken(token),
		expiresAt: standing === "expired" ? new Date(0) : null,
	});
	if (standing === "revoked")
		await revokeToken(door.db, id, { tenant: undefined, roles });
	return { role, tenant: tenant.name, standing, token };
}

function ask(
	endpoint: Guarded,
	token: string | undefined,
	id?: string,
): Promise<Answer> {
	const { asked } = composeExample(examples, endpoint, id);
	return answered(askAny(door.as(token), endpoint, asked));
}

const isOfATenant = ({ path, permission }: Guarded): boolean =>
	(path.includes("{id}") || path === findUsage.path) &&
	tenantRoles.some(
		(role) => permission !== null && hasPermission(role, permission),
	);

/** undefined: it is let in. */
function decideRefusal(
	{ role, standing, tenant }: Caller,
	endpoint: Guarded,
): number | undefined {
	if (standing !== "valid") return 401;
	if (endpoint.permission === null) return undefined;
	if (!hasPermission(role, endpoint.permission)) return 403;
	const isForeign = tenant !== "acme" && role !== "platform-admin";
	return isForeign && isOfATenant(endpoint) ? 404 : undefined;
}

function assertRefused(answer: Answer, status: number, said: string): void {
	assert.equal(answer.status, status, `${said}: ${answer.text}`);
	const parsed = problem.parse(answer.body);
	assert.equal(parsed.status, status);
	assert.equal(parsed.requestId, answer.headers.get("x-request-id"));
}

for (const { endpoint } of guarded) {
	test(`${endpoint.name} answers every caller as the table of permissions says`, async () => {
		for (const caller of callers) {
			const said = `${caller.standing} ${caller.role} of ${caller.tenant}`;
			const answer = await ask(endpoint, caller.token);
			const status = decideRefusal(caller, endpoint);
			if (status !== undefined) {
				assertRefused(answer, status, said);
				continue;
			}
			assert.ok(
				answer.status < 500 && ![401, 403, 404].includes(answer.status),
				`${said} is answered ${answer.status}: ${answer.text}`,
			);
		}
	});

	test(`${endpoint.name} refuses who brings no token, or one that nobody has`, async () => {
		const none = await ask(endpoint, undefined);
		assertRefused(none, 401, "no token");
		assert.equal(
			none.headers.get("www-authenticate"),
			'Bearer realm="impresario"',
		);
		for (const token of ["garbage", createTokenText()]) {
			const answer = await ask(endpoint, token);
			assertRefused(answer, 401, token);
			assert.match(
				answer.headers.get("www-authenticate") ?? "",
				/error="invalid_token"/,
			);
		}
	});

	if (isOfATenant(endpoint))
		test(`${endpoint.name} does for another tenant's thing what it does for none, and says the same`, async () => {
			const { id = "" } = composeExample(examples, endpoint);
			const missing = `${id.slice(0, -5)}00000`;
			const { token } = door.stranger;
			const foreign = await listStatements(() => ask(endpoint, token));
			const absent = await listStatements(() => ask(endpoint, token, missing));
			assertRefused(foreign.answer, 404, "another tenant's");
			const normalize = ({ text }: Answer) =>
				text.replaceAll(missing, id).replaceAll(/req_[0-9a-z]+/g, "req");
			assert.equal(normalize(foreign.answer), normalize(absent.answer));
			assert.ok(foreign.statements.length > 1);
			assert.deepEqual(foreign.statements, absent.statements);
		});
}

/** What PostgreSQL was asked while a request was answered. */
async function listStatements(request: () => Promise<Answer>) {
	const watched = mock.method(pg.Client.prototype, "query");
	try {
		const answer = await request();
		const statements = watched.mock.calls.map(({ arguments: [query] }) =>
			typeof query === "string"
				? query
				: (query as unknown as { text: string }).text,
		);
		// The first use within a minute is noted beside the request, whenever there is time for it.
		const isNote = (text: string) => text.includes('set "last_used_at"');
		return { answer, statements: statements.filter((one) => !isNote(one)) };
	} finally {
		watched.mock.restore();
	}
}

test("nothing went wrong on our side in all of this", () => {
	assert.deepEqual(
		door.log.filter((line) => line.level !== "info"),
		[],
	);
});
