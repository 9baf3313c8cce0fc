// The programs of the control plane: how each is called, and how it says that it serves. The flags are the
// fewest with which a cluster on one machine behaves like one of many.
import { request as plainRequest } from "node:http";
import { request as secureRequest } from "node:https";
import { join } from "node:path";
import type { Certificates } from "./certificates.ts";
import type { ProgramPlan } from "./program.ts";

/** As the toolchain names them. */
export const programNames = [
	"etcd",
	"kube-apiserver",
	"kube-controller-manager",
	"kube-scheduler",
	"kwok",
] as const;

export const portNames = [
	"etcd",
	"etcd-peer",
	"apiserver",
	"controller-manager",
	"scheduler",
	"kwok",
] as const;
export type Ports = Readonly<Record<(typeof portNames)[number], number>>;

/** Tool name → absolute path, as the toolchain writes it. */
export type Tools = Readonly<Record<string, string>>;

export interface Layout {
	readonly dir: string;
	readonly tools: Tools;
	readonly ports: Ports;
	readonly certificates: Certificates;
	/** The data need not survive a crash of the machine. */
	readonly throwAway: boolean;
}

const askWithinMs = 2_000;

/** A plan for each program. They are started in this order, the last three together. */
export function planComponents(layout: Layout) {
	return {
		etcd: planEtcd(layout),
		apiserver: planApiserver(layout),
		controllerManager: planControllerManager(layout),
		scheduler: planScheduler(layout),
		kwok: planKwok(layout),
	};
}

const planBase = (
	{ dir, tools, throwAway }: Layout,
	name: (typeof programNames)[number],
) => ({
	name,
	command: tools[name] ?? name,
	cwd: dir,
	logPath: join(dir, "logs", `${name}.log`),
	// Collecting garbage less often costs memory, which is worth it only where the processor is what is short.
	variables: throwAway ? { GOGC: "400", GOMEMLIMIT: "1GiB" } : {},
});

function planEtcd(layout: Layout): ProgramPlan {
	const { dir, ports, certificates } = layout;
	const client = `https://127.0.0.1:${ports.etcd}`;
	const peer = `https://127.0.0.1:${ports["etcd-peer"]}`;
	const authority = certificates.path("etcd-ca.crt");
	const certificate = certificates.path("etcd.crt");
	const key = certificates.path("etcd.key");
	return {
		...planBase(layout, "etcd"),
		args: [
			`--data-dir=${join(dir, "etcd")}`,
			`--listen-client-urls=${client}`,
			`--advertise-client-urls=${client}`,
			`--listen-peer-urls=${peer}`,
			`--initial-advertise-peer-urls=${peer}`,
			`--initial-cluster=default=${peer}`,
			"--client-cert-auth",
			`--trusted-ca-file=${authority}`,
			`--cert-file=${certificate}`,
			`--key-file=${key}`,
			"--peer-client-cert-auth",
			`--peer-trusted-ca-file=${authority}`,
			`--peer-cert-file=${certificate}`,
			`--peer-key-file=${key}`,
			"--log-level=warn",
			// A lone member has nobody to wait for before it elects itself: a second less at each start.
			"--heartbeat-interval=10",
			"--election-timeout=100",
			...(layout.throwAway ? ["--unsafe-no-fsync"] : []),
		],
		isReady: () =>
			isHealthy(`${client}/health`, {
				ca: certificates.read("etcd-ca.crt"),
				cert: certificates.load("etcd-client").certificate,
				key: certificates.load("etcd-client").key,
			}),
	};
}

function planApiserver(layout: Layout): ProgramPlan {
	const { ports, certificates } = layout;
	const { path } = certificates;
	return {
		...planBase(layout, "kube-apiserver"),
		args: [
			`--etcd-servers=https://127.0.0.1:${ports.etcd}`,
			`--etcd-cafile=${path("etcd-ca.crt")}`,
			`--etcd-certfile=${path("etcd-client.crt")}`,
			`--etcd-keyfile=${path("etcd-client.key")}`,
			"--bind-address=127.0.0.1",
			"--advertise-address=127.0.0.1",
			// Nothing serves pods here, so the service `kubernetes` leads nowhere, and a loopback address may not be an endpoint.
			"--endpoint-reconciler-type=none",
			`--secure-port=${ports.apiserver}`,
			`--tls-cert-file=${path("apiserver.crt")}`,
			`--tls-private-key-file=${path("apiserver.key")}`,
			`--client-ca-file=${path("ca.crt")}`,
			"--service-account-issuer=https://kubernetes.default.svc",
			`--service-account-key-file=${path("service-accounts.pub")}`,
			`--service-account-signing-key-file=${path("service-accounts.key")}`,
			"--service-cluster-ip-range=10.96.0.0/16",
			"--authorization-mode=RBAC",
			// As everywhere else: what may be privileged is a matter of pod security.
			"--allow-privileged=true",
			"--event-ttl=15m",
			"--profiling=false",
		],
		isReady: () =>
			isHealthy(`https://127.0.0.1:${ports.apiserver}/readyz`, {
				ca: certificates.read("ca.crt"),
			}),
	};
}

/** What the scheduler and the controllers have in common: one of each, so no election; no pause between calls. */
function planController(
	layout: Layout,
	name: "controller-manager" | "scheduler",
): Omit<ProgramPlan, "args"> & { args: string[] } {
	const { dir, ports, certificates } = layout;
	return {
		...planBase(layout, `kube-${name}`),
		args: [
			`--kubeconfig=${join(dir, "kubeconfigs", name)}`,
			"--bind-address=127.0.0.1",
			`--secure-port=${ports[name]}`,
			`--tls-cert-file=${certificates.path("apiserver.crt")}`,
			`--tls-private-key-file=${certificates.path("apiserver.key")}`,
			"--leader-elect=false",
			"--kube-api-qps=500",
			"--kube-api-burst=1000",
			"--profiling=false",
		],
		isReady: () =>
			isHealthy(`https://127.0.0.1:${ports[name]}/healthz`, {
				ca: certificates.read("ca.crt"),
			}),
	};
}

function planControllerManager(layout: Layout): ProgramPlan {
	const { certificates } = layout;
	const plan = planController(layout, "controller-manager");
	return {
		...plan,
		args: [
			...plan.args,
			"--use-service-account-credentials",
			`--service-account-private-key-file=${certificates.path("service-accounts.key")}`,
			`--root-ca-file=${certificates.path("ca.crt")}`,
			"--enable-hostpath-provisioner=true",
		],
	};
}

const planScheduler = (layout: Layout): ProgramPlan =>
	planController(layout, "scheduler");

function planKwok(layout: Layout): ProgramPlan {
	const { dir, ports } = layout;
	const address = `127.0.0.1:${ports.kwok}`;
	return {
		...planBase(layout, "kwok"),
		args: [
			`--kubeconfig=${join(dir, "kubeconfigs", "kwok")}`,
			`--config=${join(dir, "stages.yaml")}`,
			"--manage-all-nodes=true",
			"--cidr=10.244.0.0/16",
			"--node-ip=127.0.0.1",
			`--node-port=${ports.kwok}`,
			// Without it, it listens on every interface.
			`--server-address=${address}`,
			"--node-lease-duration-seconds=40",
		],
		isReady: () => isHealthy(`http://${address}/healthz`),
	};
}

interface Credentials {
	readonly ca: string;
	readonly cert?: string;
	readonly key?: string;
}

function isHealthy(url: string, credentials?: Credentials): Promise<boolean> {
	return new Promise((fulfil, reject) => {
		const signal = AbortSignal.timeout(askWithinMs);
		const request =
			credentials === undefined
				? plainRequest(url, { signal, agent: false })
				: secureRequest(url, { signal, agent: false, ...credentials });
		request.once("response", (answer) => {
			answer.resume();
			fulfil(answer.statusCode === 200);
		});
		request.once("error", reject);
		request.end();
	});
}
