// Names, hosts and connection strings of MongoDB and RabbitMQ. Plain text only: nothing here knows Pulumi.

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
	user: "maestro",
	/** Where this program notes what it did to the databases. */
	notesDatabase: "impresario",
} as const;

// Stays on 3.x: Celery 4.4's queues and the size of Maestro's messages predate RabbitMQ 4.
const rabbitmqVersion = "3.13.7";
export const rabbitmq = {
	name: "rabbitmq",
	/** The headless Service that gives each node its name. */
	nodesName: "rabbitmq-nodes",
	port: 5672,
	managementPort: 15672,
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

/** A secret. The database is not part of it: Maestro names it by a variable of its own. */
export function mongodbUri(members: number, password: string): string {
	return `mongodb://${mongodb.user}:${password}@${listMongodbHosts(members).join(",")}/?replicaSet=${mongodb.replicaSet}&authSource=admin&w=majority`;
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

function listNumbers(count: number): readonly number[] {
	return Array.from({ length: count }, (_, number) => number);
}
