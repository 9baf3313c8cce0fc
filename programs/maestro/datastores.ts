// Names, hosts and connection strings of MongoDB and RabbitMQ. Plain text only: nothing here knows Pulumi.
import { createHmac } from "node:crypto";
import type { BlueprintInput } from "../../src/domain/blueprint.ts";
import { usesBroker } from "../../src/domain/parameters.ts";
import type { Secrets } from "../../src/domain/secret.ts";
import type { Sizing } from "../../src/domain/sizing.ts";
import { type Database, databases } from "./processes.ts";

// 4.4 is the newest line that Maestro's drivers know (PyMongo 3.11, Node driver 3.6).
const mongodbVersion = "4.4.29";
export const mongodb = {
	name: "mongodb",
	port: 27017,
	version: mongodbVersion,
	image: `mongo:${mongodbVersion}`,
	/** User and group `mongodb` of the image. */
	uid: 999,
	replicaSet: "maestro",
	rootUser: "root",
	/** Fetches metrics. */
	exporter: {
		name: "exporter",
		image: "percona/mongodb_exporter:0.40.0",
		user: "exporter",
		port: 9216,
	},
} as const;

// Stays on 3.x: Celery 4.4's queues and the size of Maestro's messages predate RabbitMQ 4.
const rabbitmqVersion = "3.13.7";
export const rabbitmq = {
	name: "rabbitmq",
	/** The headless Service that gives each node its name. */
	nodesName: "rabbitmq-nodes",
	port: 5672,
	managementPort: 15672,
	metricsPort: 15692,
	version: rabbitmqVersion,
	image: `rabbitmq:${rabbitmqVersion}-management`,
	uid: 999,
	user: "maestro",
} as const;

/**
 * `host:port` of each member. Names are relative to the namespace: they hold in every cluster domain, and in a
 * namespace of another name.
 */
export function listMongodbHosts(members: number): readonly string[] {
	return listNumbers(members).map(
		(ordinal) => `${mongodb.name}-${ordinal}.${mongodb.name}:${mongodb.port}`,
	);
}

/** Without credentials: they would appear in a shell's arguments. */
export function mongodbShellUri(members: number): string {
	return `mongodb://${listMongodbHosts(members).join(",")}/admin?replicaSet=${mongodb.replicaSet}`;
}

/** Who signs in to MongoDB besides root: for each database one user of the same name, who sees no other. */
export type MongodbUser = Database | typeof mongodb.exporter.user;
export const mongodbUsers: readonly MongodbUser[] = [
	...databases,
	mongodb.exporter.user,
];

/** A secret, made of the environment's. Whoever knows the password of one user cannot work out another's. */
const derivePassword = (secrets: Secrets, user: MongodbUser): string =>
	createHmac("sha256", secrets.MONGODB_PASSWORD).update(user).digest("hex");

/** A secret. The database is not part of it: Maestro names it by a variable of its own. */
function mongodbUri(
	members: number,
	user: MongodbUser,
	password: string,
): string {
	return `mongodb://${user}:${password}@${listMongodbHosts(members).join(",")}/?replicaSet=${mongodb.replicaSet}&authSource=admin&w=majority`;
}

/** A secret. Of the one who may read and write everything, for backups. */
export function mongodbAdminUri(members: number, password: string): string {
	return `mongodb://${mongodb.rootUser}:${password}@${listMongodbHosts(members).join(",")}/?replicaSet=${mongodb.replicaSet}&authSource=admin`;
}

/** Erlang's names of the nodes. The dot makes them long names. */
export function listRabbitmqNodes(members: number): readonly string[] {
	return listNumbers(members).map(
		(ordinal) => `rabbit@${rabbitmq.name}-${ordinal}.${rabbitmq.nodesName}`,
	);
}

/** A secret. Ends with the virtual host `/`, as Celery writes it. */
export function brokerUrl(password: string): string {
	return `amqp://${rabbitmq.user}:${password}@${rabbitmq.name}:${rabbitmq.port}//`;
}

/** Where the databases are: in a set of our own, or on somebody else's server. */
export type MongodbPlace = {
	/** How the processes of each database sign in. Secrets. */
	readonly uris: Readonly<Record<Database, string>>;
} & (
	| {
			readonly kind: "own";
			readonly members: number;
			/** Secrets. */
			readonly passwords: Readonly<Record<MongodbUser, string>>;
	  }
	| Pick<External, "kind" | "ports">
);
/** Where the queues are. */
export type BrokerPlace =
	| { readonly kind: "own"; readonly uri: string }
	| External;
/** The stores that processes depend on. */
export interface Stores {
	readonly mongodb: MongodbPlace;
	/** null where no process hands tasks to another. */
	readonly broker: BrokerPlace | null;
}
interface External {
	readonly kind: "external";
	/** A secret. */
	readonly uri: string;
	/** Of its hosts. All that a network policy can say of them: it knows no names. */
	readonly ports: readonly number[];
}

export function placeMongodb(
	{ parameters, secrets }: Pick<BlueprintInput, "parameters" | "secrets">,
	sizing: Sizing,
): MongodbPlace {
	const uri = parameters.external.mongodb;
	if (uri !== undefined)
		return {
			kind: "external",
			uris: mapKeys(databases, () => uri),
			ports: listPorts(uri, mongodb.port),
		};
	const { members } = sizing.mongodb;
	const passwords = mapKeys(mongodbUsers, (user) =>
		derivePassword(secrets, user),
	);
	return {
		kind: "own",
		members,
		passwords,
		uris: mapKeys(databases, (database) =>
			mongodbUri(members, database, passwords[database]),
		),
	};
}

const mapKeys = <Key extends string>(
	keys: readonly Key[],
	value: (key: Key) => string,
) =>
	Object.fromEntries(keys.map((key) => [key, value(key)])) as Record<
		Key,
		string
	>;

/** null where no process hands tasks to another. */
export function placeBroker({
	parameters,
	secrets,
}: Pick<BlueprintInput, "parameters" | "secrets">): BrokerPlace | null {
	if (!usesBroker(parameters.features)) return null;
	const uri = parameters.external.rabbitmq;
	if (uri === undefined)
		return { kind: "own", uri: brokerUrl(secrets.RABBITMQ_PASSWORD) };
	const ordinary = uri.startsWith("amqps:") ? 5671 : rabbitmq.port;
	return { kind: "external", uri, ports: listPorts(uri, ordinary) };
}

function listPorts(uri: string, ordinary: number): readonly number[] {
	const [authority = ""] = uri.slice(uri.indexOf("://") + 3).split(/[/?]/);
	const hosts = authority.slice(authority.lastIndexOf("@") + 1).split(",");
	const ports = hosts.map((host) => Number(host.split(":")[1] ?? ordinary));
	return [...new Set(ports)];
}

function listNumbers(count: number): readonly number[] {
	return Array.from({ length: count }, (_, number) => number);
}
