// Config becomes the live things of a role, opened in order and closed in reverse. A station is loaded only
// by a role that uses it: the process that answers HTTP loads neither the engine nor the cluster's client.
import { hkdfSync, randomBytes } from "node:crypto";
import {
	accessSync,
	constants,
	linkSync,
	mkdirSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { hostname, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Config } from "./config.ts";
import type { AwsAccess, Cloud } from "./domain/aws.ts";
import { cancelDeadlinesMs } from "./domain/operation.ts";
import { builtInReleases } from "./domain/release.ts";
import { Failure } from "./failure.ts";
import { openFeed } from "./feed/listen.ts";
import { createLog, type Log } from "./log.ts";
import { collectProcess } from "./metrics.ts";
import { ensureAdmin } from "./operations/admin.ts";
import { registerBlueprints } from "./operations/catalogue.ts";
import type { Reach } from "./operations/reach.ts";
import { listReadinessChecks } from "./operations/readiness.ts";
import { ensureSealCheck, requireSealCheck } from "./operations/seal-check.ts";
import { registerTarget, type TargetDescription } from "./operations/target.ts";
import { pickInherited } from "./processes.ts";
import { openSender, type Sender } from "./queue/enqueue.ts";
import { parseSealKey, type SealKey } from "./seal.ts";
import {
	type Database,
	openDatabase,
	translateDatabaseError,
} from "./store/db.ts";
import { migrate, requireSchema } from "./store/migrate.ts";
import { ensureReleases } from "./store/releases.ts";
import { grantServiceRole } from "./store/service-role.ts";
import { alignEventClock } from "./store/tenant-events.ts";
import { openTracing } from "./tracing/open.ts";

export const version = "0.1.0";

/** What every role stands on. */
export interface Base {
	readonly config: Config;
	readonly databaseUrl: string;
	readonly log: Log;
	readonly sealKey: SealKey;
	readonly database: Database;
	readonly sender: Sender;
	close(): Promise<void>;
}

/** Throws `not_set_up` when there is no database to use or the seal key is malformed. */
export function openBase(
	config: Config,
	databaseUrl = config.databaseUrl,
): Base {
	if (databaseUrl === undefined) {
		throw new Failure({
			code: "not_set_up",
			message: "DATABASE_URL is not set.",
			advice:
				"Name a PostgreSQL database by it, or run `npm start`, which brings one of its own.",
		});
	}
	const log = createLog(config.logLevel ?? "info", "impresario");
	const sealKey = loadSealKey(config);
	const database = openDatabase({
		url: databaseUrl,
		maxConnections: 20,
		onError: (error) => log.warn({ err: error }, "a database connection broke"),
	});
	const sender = openSender(config.queueUrl ?? databaseUrl, log);
	return {
		config,
		databaseUrl,
		log,
		sealKey,
		database,
		sender,
		async close() {
			await sender.close();
			await database.close();
		},
	};
}

/** The key of SEAL_KEY, or one of a file beside the data that is made at the first start. */
function loadSealKey(config: Config): SealKey {
	const named = config.secrets().sealKey;
	if (named !== undefined) return parseSealKey(named);
	return parseSealKey(
		keepFile(join(config.dataDir, "seal-key"), () =>
			randomBytes(32).toString("hex"),
		),
	);
}

/** The text of a file of mode 0600, which is made if it is missing: whole or not at all, and once. */
function keepFile(path: string, create: () => string): string {
	mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
	const draft = `${path}.${process.pid}`;
	writeFileSync(draft, `${create()}\n`, { mode: 0o600, flush: true });
	try {
		// Fails if another process was faster; then its text is the one.
		linkSync(draft, path);
	} catch (error) {
		if (
			!(error instanceof Error && "code" in error && error.code === "EEXIST")
		) {
			throw error;
		}
	} finally {
		rmSync(draft, { force: true });
	}
	return readFileSync(path, "utf8").trim();
}

/** A key for another purpose, which tells nothing of the seal key. */
function deriveKey(sealKey: SealKey, purpose: string): Buffer {
	return Buffer.from(hkdfSync("sha256", sealKey.key, "", purpose, 32));
}

/** Brings the schema up to date and fills in what an installation cannot be without. Returns the admin's token file. */
export async function prepareInstallation(
	base: Base,
	target: TargetDescription | undefined,
): Promise<{ tokenFile: string; token: string }> {
	const applied = await migrate(base.databaseUrl);
	if (applied.length > 0) base.log.info({ applied }, "the schema was migrated");
	await grantRights(base);
	const { db } = base.database;
	await ensureSealCheck({ db, sealKey: base.sealKey });
	await alignEventClock(db);
	await ensureReleases(db, builtInReleases);
	// Reads the programs' sources and loads none of them.
	const { listBundles } = await import("./engine/bundle.ts");
	await registerBlueprints(db, listBundles());
	if (target !== undefined) {
		await registerTarget({ db, sealKey: base.sealKey }, target);
	}
	const tokenFile = join(base.config.dataDir, "token");
	const token = await ensureAdmin(db, readIfThere(tokenFile), hostname());
	// A seal key that is given by a variable has not made the folder.
	mkdirSync(base.config.dataDir, { recursive: true, mode: 0o700 });
	writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
	return { tokenFile, token };
}

/** To the role that the other processes work with, if it is another one than ours. */
async function grantRights({ config, databaseUrl, sender }: Base) {
	const { databaseServiceRole: role, queueUrl } = config;
	if (role === undefined) return;
	// A queue in the database that this process makes must be there before, to be given up for the role's own.
	if (queueUrl === undefined) await sender.reach();
	await grantServiceRole(databaseUrl, role);
}

/** The target that the variables name, if they name one. Throws `not_set_up` or `unavailable`. */
export async function readTarget(
	config: Config,
): Promise<TargetDescription | undefined> {
	const { target } = config;
	if (target.kubeconfig === undefined) return undefined;
	const { identifyCluster } = await import("./cluster/identify.ts");
	const kubeconfig = readNamedFile("TARGET_KUBECONFIG", target.kubeconfig);
	return {
		name: target.name ?? "default",
		kubeconfig,
		clusterIdentifier: await identifyCluster(kubeconfig),
		domain: target.domain ?? "maestro.example",
		ingressClass: target.ingressClass ?? null,
		storageClass: target.storageClass ?? null,
		...describeTarget(config),
	};
}

/** What the variables say of a target beside its cluster. */
export function describeTarget({
	target: { settings, pullSecret },
	secrets,
}: Config): Pick<TargetDescription, "settings" | "pullSecret" | "aws"> {
	return {
		...(settings === undefined ? {} : { settings }),
		pullSecret:
			pullSecret === undefined
				? undefined
				: readNamedFile("TARGET_PULL_SECRET", pullSecret),
		aws: secrets().aws,
	};
}

/** Throws `not_set_up`. */
function readNamedFile(variable: string, path: string): string {
	try {
		return readFileSync(path, "utf8");
	} catch (error) {
		throw new Failure({
			code: "not_set_up",
			message: `The file ${path}, which ${variable} names, cannot be read.`,
			untouched: "Nothing was started.",
			advice: `Correct ${variable}, or unset it.`,
			cause: error,
		});
	}
}

function readIfThere(path: string): string | undefined {
	try {
		return readFileSync(path, "utf8").trim();
	} catch {
		return undefined;
	}
}

/**
 * Throws `not_set_up` when the database has not this version's schema or is sealed with another key. A database that is away is waited for
 * by the roles themselves, so it is no reason not to start.
 */
export async function requirePrepared(base: Base): Promise<void> {
	try {
		await requireSchema(base.databaseUrl);
		await requireSealCheck({ db: base.database.db, sealKey: base.sealKey });
	} catch (thrown) {
		const error = translateDatabaseError(thrown);
		if (!(error instanceof Failure) || error.code !== "unavailable")
			throw error;
		base.log.warn({ err: error }, "the database is away; waiting for it");
	}
}

/** For who answers HTTP: nothing of it is loaded before somebody asks for a look at the targets. */
const lazyReach: Reach = {
	async connectCluster(kubeconfig) {
		const { makeCluster } = await import("./cluster/connect.ts");
		return makeCluster(kubeconfig);
	},
	connectCloud,
};

/** AWS's client takes more than a second and some 60 MiB: most installations never need it. */
async function connectCloud(access: AwsAccess): Promise<Cloud> {
	const { makeCloud } = await import("./aws/connect.ts");
	return makeCloud(access);
}

/** Where requests are counted: in Redis where there is one, and otherwise in the database, whose table a migration has made. */
function decideCountsUrl({ config: { queueUrl }, databaseUrl }: Base): string {
	return queueUrl?.startsWith("redis") ? queueUrl : databaseUrl;
}

/** Lets the process be watched: records traces, and serves the metrics on a port of their own, if either is wanted. */
export async function openTelemetry({ config, database, log }: Base) {
	collectProcess(version);
	const instance = `${hostname()}/${process.pid}`;
	const tracing = await openTracing(config.tracing, { version, instance, log });
	if (config.metricsPort === undefined) return tracing;
	const { openMetricsServer } = await import("./http/metrics.ts");
	const { db } = database;
	const { host, metricsPort: port } = config;
	try {
		const metrics = await openMetricsServer({ db, host, port });
		return {
			async close() {
				await metrics.close();
				await tracing.close();
			},
		};
	} catch (error) {
		await tracing.close();
		throw error;
	}
}

/** As often as load balancers look whether a process is ready. */
const defaultDrainSeconds = 5;

/** Answers HTTP. Returns the address that it listens on. */
export async function openApi(base: Base) {
	const { makeServer } = await import("./http/server.ts");
	const { openDenials } = await import("./http/denials.ts");
	const { makeVerifier } = await import("./http/oidc.ts");
	const { makeGate } = await import("./http/rate-limit.ts");
	const { openSharedCounts } = await import("./rates/counts.ts");
	const { makeRateLimits } = await import("./rates/limits.ts");
	const { db } = base.database;
	const feed = openFeed({
		url: base.databaseUrl,
		db,
		onError: (error) =>
			base.log.warn({ err: error }, "the feed lost its connection"),
	});
	const counts = openSharedCounts({
		url: decideCountsUrl(base),
		onError: (error) =>
			base.log.warn({ err: error }, "the counts of requests are away"),
	});
	const { rates: settings, trustedProxies } = base.config;
	const denials = openDenials({ db, log: base.log });
	const server = makeServer({
		db,
		onDenied: denials.note,
		gate: makeGate(makeRateLimits({ counts, settings, log: base.log })),
		trustedProxies,
		verifier: makeVerifier(base.config.issuers, {
			onError: (err) =>
				base.log.warn({ err }, "the keys of an issuer could not be fetched"),
		}),
		feed,
		verbs: { db, sealKey: base.sealKey, sender: base.sender },
		reach: lazyReach,
		readinessChecks: listReadinessChecks({
			db,
			sealKey: base.sealKey,
			sender: base.sender,
		}),
		servesMetrics: base.config.metricsPort === undefined,
		webhookTargets: base.config.webhookTargets,
		pageKey: deriveKey(base.sealKey, "page tokens"),
		log: base.log,
		version,
		publicUrl: base.config.publicUrl,
		corsOrigins: base.config.corsOrigins,
	});
	const { host, port, drainSeconds } = base.config;
	const address = await server.listen({ host, port }).catch(async (error) => {
		await denials.close();
		await counts.close();
		await feed.close();
		throw error;
	});
	return {
		url: `http://${host.includes(":") ? `[${host}]` : host}:${address.port}`,
		async close() {
			server.drain();
			// Until whoever balances load has seen it and sends nobody any more.
			await delay((drainSeconds ?? defaultDrainSeconds) * 1_000);
			await server.close();
			await denials.close();
			await counts.close();
			await feed.close();
		},
	};
}

/** Works off the queue. */
export async function openWorker(base: Base) {
	const { config, log } = base;
	const { decidePoolSize, makePool } = await import("./worker/pool.ts");
	const { startConsumer } = await import("./worker/consume.ts");
	const { startReporting } = await import("./operations/attendance.ts");
	const { endLeftover } = await import("./worker/leftovers.ts");
	const { makeCluster } = await import("./cluster/connect.ts");
	const tools = loadTools(config);
	const size =
		config.workerChildren ??
		decidePoolSize({
			cores: config.cores,
			// In a container without a limit the second is a number beyond all machines.
			memoryMiB: Math.floor(
				Math.min(totalmem(), process.constrainedMemory() || Infinity) / 2 ** 20,
			),
		});
	// Before anything is opened: what is missing must not leave half a worker behind.
	const binaries = {
		pulumiBin: findTool(tools, "pulumi"),
		pluginBin: findTool(tools, "pulumi-resource-kubernetes"),
		awsPluginBin: config.awsPluginBin,
	};
	const { openBackend } = await import("./backend/server.ts");
	const { describeClient } = await import("./backend/client.ts");
	const backend = await openBackend({
		db: base.database.db,
		sealKey: base.sealKey,
		log,
		host: "127.0.0.1",
		port: config.statePort,
	});
	const workRoot = join(config.dataDir, "work");
	const pool = makePool({
		size,
		childModule: new URL("./worker/child.ts", import.meta.url),
		childOptions: {
			...binaries,
			pulumiHome: join(config.dataDir, "pulumi-home"),
			workRoot,
			environment: pickInherited(config.environment()),
			graceMs: config.engineGraceMs ?? cancelDeadlinesMs.engine,
		},
		log,
	});
	const owner = `${hostname()}/${process.pid}`;
	const attendance = startReporting({ db: base.database.db, log }, () => ({
		name: owner,
		slots: size,
		isShortOfMemory: pool.isShortOfMemory(),
	}));
	const consumer = startConsumer({
		queueUrl: config.queueUrl ?? base.databaseUrl,
		owner,
		concurrency: size,
		pool,
		tools: {
			db: base.database.db,
			sealKey: base.sealKey,
			connectCluster: makeCluster,
			connectCloud,
			engineState: {
				describe: (lease, place) => ({
					url: backend.url,
					environment: describeClient({
						url: backend.url,
						token: backend.issueRunToken(lease),
						credentialsPath: join(workRoot, place),
					}),
				}),
				async end(lease) {
					try {
						return await backend.endUpdate(lease);
					} catch (err) {
						// The next start of the stack ends it, and so does the backend's own timer.
						log.warn(
							{ err, operation: lease.operation },
							"an update was not ended",
						);
						return 0;
					}
				},
				read: ({ project, stack }) => backend.read({ project, name: stack }),
				readDeclared: ({ project, stack }) =>
					backend.readDeclared({ project, name: stack }),
			},
			endLeftover: (place) => void endLeftover(workRoot, place),
		},
		sender: base.sender,
		log,
	});
	return {
		size,
		async close() {
			await consumer.close();
			await attendance.close();
			await pool.close();
			await backend.close();
		},
	};
}

/** Sweeps, follows schedules, ends what has expired and goes on with roll-outs on timers, keeps webhooks told, and watches the targets that no other process watches. */
export async function openScheduler(base: Base) {
	const {
		startAdvancingRollouts,
		startFollowingSchedules,
		startForgetting,
		startTicking,
	} = await import("./worker/tick.ts");
	const { startWatching } = await import("./worker/watch.ts");
	const { openLookout } = await import("./cluster/lookout.ts");
	const { startExpiring } = await import("./worker/expiries.ts");
	const { startDelivering } = await import("./feed/deliver.ts");
	const context = {
		db: base.database.db,
		sealKey: base.sealKey,
		sender: base.sender,
		log: base.log,
	};
	const running = [
		startTicking(context),
		startFollowingSchedules(context),
		startExpiring(context),
		startAdvancingRollouts(context),
		startForgetting(context),
		startDelivering({
			...context,
			url: base.databaseUrl,
			policy: base.config.webhookTargets,
		}),
		startWatching({
			...context,
			openLookout,
			owner: `${hostname()}/${process.pid}/${randomBytes(4).toString("hex")}`,
		}),
	];
	return {
		async close() {
			await Promise.all(running.map((one) => one.close()));
		},
	};
}

/** What `toolchain/build.mjs` brought: tool name → absolute path. Throws `not_set_up`. */
export function loadTools(config: Config): Readonly<Record<string, string>> {
	const path = join(config.toolchainDir, "tools.json");
	try {
		return JSON.parse(readFileSync(path, "utf8"));
	} catch (error) {
		throw new Failure({
			code: "not_set_up",
			message: `The toolchain is not there: ${path} cannot be read.`,
			untouched: "Nothing was started.",
			advice:
				"Run `node toolchain/build.mjs`, which brings what is missing, or name its folder by TOOLCHAIN_DIR.",
			cause: error,
		});
	}
}

function findTool(
	tools: Readonly<Record<string, string>>,
	name: string,
): string {
	const path = tools[name];
	if (path === undefined || !isExecutable(path)) {
		throw new Failure({
			code: "not_set_up",
			message:
				path === undefined
					? `The toolchain has no ${name}.`
					: `The toolchain's ${name} is not there: ${path} is no executable file.`,
			untouched: "Nothing was started.",
			advice: "Run `node toolchain/build.mjs`, which brings what is missing.",
		});
	}
	return path;
}

function isExecutable(path: string): boolean {
	try {
		accessSync(path, constants.X_OK);
		return true;
	} catch {
		return false;
	}
}
