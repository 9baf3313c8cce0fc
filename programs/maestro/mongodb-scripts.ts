// Scripts for MongoDB's 4.4 shell. Each may run at any time and any number of times: it does what is still to be
// done, and throws where that is not possible yet, so that its caller repeats it. Passwords are read from files
// (`cat` is the shell's own), because arguments show in a list of processes.
import {
	listMongodbHosts,
	type MongodbPlace,
	type MongodbUser,
	mongodb,
	mongodbUsers,
} from "./datastores.ts";
import type { Database } from "./processes.ts";

/** Where the keys of the Secret `datastores` lie as files that the scripts read. */
export const secretFolder = "/etc/impresario/mongodb";
export const passwordKey = (user: MongodbUser | "") =>
	`mongodb-password.${user}`;
export const uriKey = (database: Database) => `mongodb-uri.${database}`;

/** Of the one process that migrates. */
export const serverDatabase: Database = "maestro-client";

/**
 * Runs inside member 0 and makes it a replica set of one with a root user.
 *
 * This is the way that MongoDB documents for a set with a key file: initiate it and make the first user over
 * localhost, which is allowed only as long as there is no user. The image's own variables for a root user are
 * not used: they make it with a first, temporary server, and a pod that ends in that moment never gets its user.
 * The other members must not have users of their own before they join.
 */
export function formReplicaSet(members: number): string {
	const [self = "", ...peers] = listMongodbHosts(members);
	return `db = db.getSiblingDB("admin");
const password = cat("${secretFolder}/MONGODB_ROOT_PASSWORD");
if (db.auth("${mongodb.rootUser}", password)) quit(0);
// An empty member 0 whose peers are a set has lost its volume. A second set of the same name would be the end of
// the first; its peers take it in by themselves.
${JSON.stringify(peers)}.forEach((host) => {
  if (new Mongo(host).getDB("admin").isMaster().setName) throw new Error(host + " is in a replica set already.");
});
const initiated = db.adminCommand({ replSetInitiate: { _id: "${mongodb.replicaSet}", members: [{ _id: 0, host: "${self}" }] } });
if (!initiated.ok && initiated.codeName !== "AlreadyInitialized") throw new Error(initiated.errmsg);
if (!db.isMaster().ismaster) throw new Error("This member is not the primary yet.");
db.createUser({ user: "${mongodb.rootUser}", pwd: password, roles: ["root"] });`;
}

/**
 * Runs against the primary: makes the users that Maestro signs in as, adds the members that are missing, and
 * succeeds once all of them have caught up. A set that is to grow goes the same way.
 */
export function completeReplicaSet(members: number): string {
	const users = mongodbUsers.map((user) => ({ user, roles: rolesOf(user) }));
	return `db = db.getSiblingDB("admin");
if (!db.auth("${mongodb.rootUser}", cat("${secretFolder}/MONGODB_ROOT_PASSWORD"))) throw new Error("The root user is not there yet.");
${JSON.stringify(users)}.forEach((wish) => {
  const content = { pwd: cat("${secretFolder}/${passwordKey("")}" + wish.user), roles: wish.roles };
  if (db.getUser(wish.user)) db.updateUser(wish.user, content);
  else db.createUser(Object.assign({ user: wish.user }, content));
});
// To replay an oplog takes a right of its own, which not even root has (MongoDB's manual, mongorestore, "Required access").
if (!db.getRole("oplogReplayer")) db.createRole({ role: "oplogReplayer", privileges: [{ resource: { anyResource: true }, actions: ["anyAction"] }], roles: [] });
db.grantRolesToUser("${mongodb.rootUser}", ["oplogReplayer"]);
const config = db.adminCommand({ replSetGetConfig: 1 }).config;
const missing = ${JSON.stringify(listMongodbHosts(members))}.filter((host) => !config.members.some((member) => member.host === host));
if (missing.length > 0) {
  // 4.4 takes one voting member at a time, and the next one once most members know of it.
  config.version += 1;
  config.members.push({ _id: Math.max(...config.members.map((member) => member._id)) + 1, host: missing[0] });
  const added = db.adminCommand({ replSetReconfig: config });
  throw new Error(added.ok ? missing[0] + " was added; there may be more." : added.errmsg);
}
const behind = db.adminCommand({ replSetGetStatus: 1 }).members.filter((member) => !["PRIMARY", "SECONDARY"].includes(member.stateStr));
if (behind.length > 0) throw new Error(behind.map((member) => member.name + " is " + member.stateStr).join(", "));`;
}

const rolesOf = (user: MongodbUser) =>
	user === mongodb.exporter.user
		? [
				{ role: "clusterMonitor", db: "admin" },
				{ role: "read", db: "local" },
			]
		: [{ role: "readWrite", db: user }];

type Kind = MongodbPlace["kind"];

/** Where the program notes what it did: the server's database, which is there wherever the databases are. */
const notes = `db.getSiblingDB("${serverDatabase}").impresario_migrations`;

/** A script that signs in as the processes of a database do, which succeeds only where there is a primary and the user. */
export function signIn(kind: Kind, database: Database, statement = ""): string {
	const words =
		kind === "own"
			? `db = db.getSiblingDB("admin");
if (!db.auth("${database}", cat("${secretFolder}/${passwordKey(database)}"))) throw new Error("The user is not there yet.");`
			: // The user stands in the connection string, and needs no right to look at the server as a whole.
				`db = new Mongo(cat("${secretFolder}/${uriKey(database)}")).getDB("${database}");
if (!db.isMaster().ismaster) throw new Error("There is no primary.");
db.impresario_migrations.findOne();`;
	return `${words}\n${statement}`;
}

/** Notes that the migrations of a server image have run. */
export function noteMigration(kind: Kind, image: string): string {
	return signIn(
		kind,
		serverDatabase,
		`${notes}.updateOne({ _id: ${JSON.stringify(image)} }, { $set: { done: true } }, { upsert: true, writeConcern: { w: "majority" } });`,
	);
}

/** Succeeds once they have. */
export function expectMigration(kind: Kind, image: string): string {
	return signIn(
		kind,
		serverDatabase,
		`if (!${notes}.findOne({ _id: ${JSON.stringify(image)} })) throw new Error("The migration has not ended yet.");`,
	);
}

/** Succeeds while the member can answer: before the set is formed, and in a rollback, it cannot. */
export const isUsable =
	"const state = db.isMaster(); quit(state.ismaster || state.secondary ? 0 : 1);";

/** Starts one member. `$0` is the script that forms the set. */
export function startMember(options: {
	readonly cacheGiB: number;
	readonly oplogMiB: number;
}): string {
	return `set -eu
# mongod refuses a key file that its group can read, which a Secret's file always is for a pod's group.
install -m 0400 ${secretFolder}/MONGODB_KEYFILE /run/mongodb/keyfile
# A member that cannot find its own name in the set's configuration takes itself for removed, and stays so.
until getent hosts "$HOSTNAME.${mongodb.name}" >/dev/null; do sleep 1; done
if [ "$HOSTNAME" = ${mongodb.name}-0 ]; then
  (until mongo --norc --quiet 127.0.0.1:${mongodb.port}/admin --eval "$0"; do sleep 2; done) &
fi
# 4.4 does not see the container's memory limit under cgroups v2 and would take half of the node's memory.
exec mongod --replSet ${mongodb.replicaSet} --keyFile /run/mongodb/keyfile --bind_ip_all --port ${mongodb.port} \\
  --dbpath /data/db --oplogSize ${options.oplogMiB} --wiredTigerCacheSizeGB ${options.cacheGiB}`;
}
