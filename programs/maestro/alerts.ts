// The dangers that Maestro's documentation names, as alerts, and what to look at, as a dashboard. Data only.
import type { Parameters } from "../../src/domain/parameters.ts";
import type { Running } from "./power.ts";

export interface Watched {
	readonly namespace: string;
	/** Nobody is to be woken for what is meant to rest. */
	readonly running: Running;
	readonly features: Parameters["features"];
	readonly backups: boolean;
	/** Of the sets of our own; 0 where a store is somebody else's. */
	readonly mongodbMembers: number;
	/** Of the own broker; empty where it is somebody else's. */
	readonly queues: readonly string[];
}

export interface Alert {
	readonly alert: string;
	readonly expr: string;
	readonly for: string;
	readonly labels: { readonly severity: "critical" | "warning" };
	readonly annotations: {
		readonly summary: string;
		readonly description: string;
	};
}

const day = 86_400;
/** A certificate that is renewed in time is never as near to its end. */
const certificateDays = 14;

export function listAlerts(watched: Watched): readonly Alert[] {
	const { processes, stores } = watched.running;
	return [
		...(processes && watched.features.scheduler ? [watchBeat(watched)] : []),
		...(processes && watched.queues.length > 0 ? [watchQueues(watched)] : []),
		...(processes && watched.backups ? [watchBackups(watched)] : []),
		...(stores && watched.mongodbMembers > 0 ? watchReplicaSet(watched) : []),
		watchCertificates(watched),
		watchWorkloads(watched),
	];
}

// A pod of the beat has two parts after its name; one of the scheduler's worker has three.
const beat = (namespace: string) =>
	`count(kube_pod_status_phase{namespace="${namespace}",pod=~"scheduler-[a-z0-9]+-[a-z0-9]+",phase="Running"} == 1) or vector(0)`;

const watchBeat = ({ namespace }: Watched): Alert => ({
	alert: "MaestroNotOneScheduler",
	expr: `(${beat(namespace)}) != 1`,
	for: "2m",
	labels: { severity: "critical" },
	annotations: {
		summary: `{{ $value }} schedulers run in ${namespace} instead of one.`,
		description:
			"Without one no schedule fires; with two every schedule fires twice. Look at the Deployment scheduler.",
	},
});

const watchQueues = ({ namespace, queues }: Watched): Alert => ({
	alert: "MaestroQueueWithoutConsumer",
	expr: `max by (queue) (rabbitmq_queue_consumers{namespace="${namespace}",queue=~"${queues.join("|")}"}) == 0`,
	for: "5m",
	labels: { severity: "critical" },
	annotations: {
		summary: `Nobody works on the queue {{ $labels.queue }} in ${namespace}.`,
		description:
			"Tasks stay in it, and a synchronisation stays in the state warning. Look at the queue's worker.",
	},
});

const watchBackups = ({ namespace }: Watched): Alert => {
	const time = (what: string) =>
		`kube_cronjob_${what}{namespace="${namespace}",cronjob="backup"}`;
	return {
		alert: "MaestroBackupTooOld",
		// Either it was not begun when its time had come, or it was begun and did not succeed.
		expr: `(time() - ${time("next_schedule_time")} > 3600) or (${time("status_last_schedule_time")} - ${time("status_last_successful_time")} > 0) or (${time("status_last_schedule_time")} unless ${time("status_last_successful_time")})`,
		// A Job of the backup may take six hours.
		for: "7h",
		labels: { severity: "critical" },
		annotations: {
			summary: `The last backup that was due in ${namespace} does not exist.`,
			description: "Look at the CronJob backup and its Jobs.",
		},
	};
};

const watchReplicaSet = ({
	namespace,
	mongodbMembers,
}: Watched): readonly Alert[] => [
	{
		alert: "MaestroReplicaSetShortOfMembers",
		expr: `(min(sum by (pod) (mongodb_rs_members_health{namespace="${namespace}"})) < ${mongodbMembers}) or (kube_statefulset_status_replicas_ready{namespace="${namespace}",statefulset="mongodb"} < ${mongodbMembers})`,
		for: "5m",
		labels: { severity: "critical" },
		annotations: {
			summary: `MongoDB in ${namespace} has {{ $value }} of ${mongodbMembers} members.`,
			description:
				"One more lost member may end its writes. Look at the StatefulSet mongodb and its claims.",
		},
	},
	{
		alert: "MaestroReplicaSetWithoutPrimary",
		expr: `absent(mongodb_rs_members_state{namespace="${namespace}"} == 1)`,
		for: "2m",
		labels: { severity: "critical" },
		annotations: {
			summary: `MongoDB in ${namespace} has no primary.`,
			description: "Nothing can be written. Look at the StatefulSet mongodb.",
		},
	},
];

const watchCertificates = ({ namespace }: Watched): Alert => ({
	alert: "MaestroCertificateNearItsEnd",
	expr: `((certmanager_certificate_expiration_timestamp_seconds{namespace="${namespace}"} - time()) or (nginx_ingress_controller_ssl_expire_time_seconds{host=~".*${namespace}.*"} - time())) < ${certificateDays * day}`,
	for: "1h",
	labels: { severity: "warning" },
	annotations: {
		summary: `A certificate of ${namespace} ends in less than ${certificateDays} days.`,
		description:
			"Nobody has renewed it. Look at the Certificate, or at the Secret that the target names.",
	},
});

const watchWorkloads = ({ namespace }: Watched): Alert => ({
	alert: "MaestroProcessUnavailable",
	expr: `kube_deployment_status_replicas_available{namespace="${namespace}"} < kube_deployment_spec_replicas{namespace="${namespace}"}`,
	for: "15m",
	labels: { severity: "warning" },
	annotations: {
		summary: `{{ $labels.deployment }} in ${namespace} has fewer replicas than it should.`,
		description: "Look at the Deployment and its pods.",
	},
});

interface Panel {
	readonly title: string;
	readonly expr: string;
	readonly legend: string;
}

/** A dashboard of Grafana, as JSON. */
export function describeDashboard(watched: Watched): string {
	const panels = listPanels(watched).map(({ title, expr, legend }, index) => ({
		id: index + 1,
		title,
		type: "timeseries",
		datasource: { type: "prometheus", uid: "$datasource" },
		gridPos: { h: 8, w: 12, x: (index % 2) * 12, y: Math.floor(index / 2) * 8 },
		targets: [{ refId: "A", expr, legendFormat: legend }],
	}));
	return JSON.stringify({
		// The end of a namespace makes it unique.
		uid: watched.namespace.slice(-40),
		title: `Maestro ${watched.namespace}`,
		tags: ["maestro", "impresario"],
		schemaVersion: 39,
		refresh: "30s",
		time: { from: "now-6h", to: "now" },
		templating: {
			list: [{ name: "datasource", type: "datasource", query: "prometheus" }],
		},
		panels,
	});
}

function listPanels({
	namespace,
	features,
	queues,
	mongodbMembers,
	backups,
}: Watched): readonly Panel[] {
	const here = `namespace="${namespace}"`;
	return [
		{
			title: "Available replicas",
			expr: `kube_deployment_status_replicas_available{${here}}`,
			legend: "{{ deployment }}",
		},
		{
			title: "Restarts in an hour",
			expr: `sum by (pod) (increase(kube_pod_container_status_restarts_total{${here}}[1h]))`,
			legend: "{{ pod }}",
		},
		...(features.scheduler
			? [{ title: "Schedulers", expr: beat(namespace), legend: "running" }]
			: []),
		...(queues.length === 0
			? []
			: [
					{
						title: "Tasks that wait",
						expr: `max by (queue) (rabbitmq_queue_messages{${here}})`,
						legend: "{{ queue }}",
					},
					{
						title: "Workers on a queue",
						expr: `max by (queue) (rabbitmq_queue_consumers{${here}})`,
						legend: "{{ queue }}",
					},
				]),
		...(mongodbMembers === 0
			? []
			: [
					{
						title: "Members of the replica set",
						expr: `min(sum by (pod) (mongodb_rs_members_health{${here}}))`,
						legend: "healthy",
					},
				]),
		...(backups
			? [
					{
						title: "Age of the last backup",
						expr: `time() - kube_cronjob_status_last_successful_time{${here},cronjob="backup"}`,
						legend: "seconds",
					},
				]
			: []),
		{
			title: "Connected browsers",
			expr: `centrifugo_node_num_clients{${here}}`,
			legend: "clients",
		},
	];
}
