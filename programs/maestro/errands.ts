// Containers that do one thing and end: they wait for a store, or change something in MongoDB.
//
// Server, analytics-front and audit swallow a failed first connection and then serve nothing, so that waiting for
// an open port would not be enough: the wait signs in.
import type * as kubernetes from "@pulumi/kubernetes";
import { errandResources } from "../../src/domain/sizing.ts";
import {
	type BrokerPlace,
	type MongodbPlace,
	mongodb,
	mongodbShellUri,
	mongodbUsers,
	rabbitmq,
	type Stores,
} from "./datastores.ts";
import {
	expectMigration,
	passwordKey,
	secretFolder,
	serverDatabase,
	signIn,
	uriKey,
} from "./mongodb-scripts.ts";
import { runAsUser } from "./pods.ts";
import type { Database, Dependency } from "./processes.ts";
import { createSecretVolume } from "./secrets.ts";

type Container = kubernetes.types.input.core.v1.Container;
type Volume = kubernetes.types.input.core.v1.Volume;

const volumeNames = { mongodb: "mongodb-secrets", broker: "broker-secrets" };
const brokerFolder = "/etc/impresario/broker";

/** The volume that a pod must have whose errands sign in to these databases. */
export const createMaestroVolume = (
	{ kind }: MongodbPlace,
	users: readonly Database[],
): Volume =>
	createSecretVolume(
		volumeNames.mongodb,
		users.map(kind === "own" ? passwordKey : uriKey),
	);

/** The volume that a pod must have whose errand signs in as root and makes the users. */
export const createRootVolume = (): Volume =>
	createSecretVolume(volumeNames.mongodb, [
		"MONGODB_ROOT_PASSWORD",
		...mongodbUsers.map(passwordKey),
	]);

/** Runs `script` in MongoDB's shell against the primary: once, or until it succeeds. */
export function createMongodbErrand(errand: {
	readonly name: string;
	readonly place: MongodbPlace;
	readonly script: string;
	readonly repeat: boolean;
}): Container {
	const { place, script } = errand;
	const { shell, words } =
		place.kind === "own" ? askMembers(place.members) : askElsewhere;
	return {
		...createErrand(
			errand.name,
			errand.repeat ? `until ${shell}; do sleep 2; done` : shell,
			[...words, script],
		),
		volumeMounts: [
			{ name: volumeNames.mongodb, mountPath: secretFolder, readOnly: true },
		],
	};
}

interface Asking {
	/** `$0`, `$1` … are `words` and the script. */
	readonly shell: string;
	readonly words: readonly string[];
}

const askMembers = (members: number): Asking => ({
	shell: 'mongo --norc --quiet "$0" --eval "$1"',
	words: [mongodbShellUri(members)],
});

// The script connects by itself, so that the password is in no argument. Whether the shell speaks TLS is decided
// before it does.
const askElsewhere: Asking = {
	shell: `mongo --norc --quiet --nodb $(grep -qE '^mongodb\\+srv:|[?&](tls|ssl)=true' ${secretFolder}/mongodb-uri.* && echo --tls) --eval "$0"`,
	words: [],
};

/** An init container that signs in as the processes of a database do, over and over until it can. */
export function createMongodbWait(
	place: MongodbPlace,
	database: Database,
): Container {
	return createMongodbErrand({
		name: "wait-for-mongodb",
		place,
		script: signIn(place.kind, database),
		repeat: true,
	});
}

const brokerWait = "wait-for-rabbitmq";
const waitForPort =
	'until timeout 5 bash -c \'exec 3<>"/dev/tcp/$0/$1"\' "$host" "$port"; do sleep 2; done';

function createBrokerWait({ kind }: BrokerPlace): Container {
	if (kind === "own") {
		// The Service has an address only once a node is ready, and it is ready only with its user in place.
		const place = `host=${rabbitmq.name} port=${rabbitmq.port}`;
		return createErrand(brokerWait, `${place}\n${waitForPort}`, []);
	}
	return {
		...createErrand(brokerWait, `${findBroker}\n${waitForPort}`, []),
		volumeMounts: [
			{ name: volumeNames.broker, mountPath: brokerFolder, readOnly: true },
		],
	};
}

/** Sets `host` and `port` by the broker's URL. It stands in a file because it is a secret. */
export const findBroker = `url=$(cat "\${BROKER_FILE:-${brokerFolder}/CELERY_BROKER_URL}")
host=\${url#*://} host=\${host%%/*} host=\${host%%\\?*} host=\${host##*@}
case $url in amqps:*) port=5671 ;; *) port=${rabbitmq.port} ;; esac
case $host in *:*) port=\${host##*:} host=\${host%:*} ;; esac`;

/** A container that runs a script and ends. The same image for all of them: a node pulls it once. */
function createErrand(
	name: string,
	script: string,
	words: readonly string[],
): Container {
	return {
		name,
		image: mongodb.image,
		command: ["bash", "-c", script, ...words],
		securityContext: {
			...runAsUser(mongodb.uid),
			readOnlyRootFilesystem: true,
		},
		resources: errandResources,
	};
}

/** One init container for each thing to wait for, with the volumes that they need. `serverImage` is the one whose migrations must have run. */
export function createWaits(
	dependencies: readonly Dependency[],
	goal: {
		readonly stores: Stores;
		/** Of the process that waits. */
		readonly database: Database | null;
		readonly serverImage: string;
	},
): { readonly initContainers: Container[]; readonly volumes: Volume[] } {
	const { stores, serverImage, database } = goal;
	const { mongodb: place, broker } = stores;
	const waits: Record<Dependency, () => Container[]> = {
		mongodb: () =>
			database === null ? [] : [createMongodbWait(place, database)],
		rabbitmq: () => (broker === null ? [] : [createBrokerWait(broker)]),
		migration: () => [
			createMongodbErrand({
				name: "wait-for-migration",
				place,
				script: expectMigration(place.kind, serverImage),
				repeat: true,
			}),
		],
	};
	const users = dependencies.flatMap((dependency) =>
		dependency === "migration"
			? [serverDatabase]
			: dependency === "mongodb" && database !== null
				? [database]
				: [],
	);
	const readsUrl =
		broker?.kind === "external" && dependencies.includes("rabbitmq");
	return {
		initContainers: dependencies.flatMap((dependency) => waits[dependency]()),
		volumes: [
			...(users.length === 0 ? [] : [createMaestroVolume(place, users)]),
			...(readsUrl
				? [createSecretVolume(volumeNames.broker, ["CELERY_BROKER_URL"])]
				: []),
		],
	};
}
