// What the toolchain consists of: pinned Go modules, the binaries each gives, and how they are built.
// The versions live here and in the go.mod beside each module; go.sum is the supply-chain lock.

const pulumiVersion = "3.259.0";
const providerVersion = "4.26.0";
const kubernetesVersion = "1.36.3";
const etcdVersion = "3.6.8";
const kwokVersion = "0.8.0";
const ferretdbVersion = "1.24.0";
const mongoToolsVersion = "100.10.0";
const kubeconformVersion = "0.8.0";
const kubeScoreVersion = "1.20.0";

const kubernetesVersionFlags = [
	"k8s.io/component-base/version",
	"k8s.io/client-go/pkg/version",
]
	.flatMap((path) => [
		`-X ${path}.gitVersion=v${kubernetesVersion}`,
		`-X ${path}.gitMajor=1`,
		`-X ${path}.gitMinor=${kubernetesVersion.split(".")[1]}`,
		`-X ${path}.gitTreeState=clean`,
	])
	.join(" ");

/**
 * @typedef {object} Binary
 * @property {string} name      the file's name, and the tool's name in tools.json
 * @property {string} pkg       the Go package that is its main
 * @property {string} variable  the variable by which an operator names a binary of his own
 * @property {string} [path]    where it lies below the module's output, if not in bin/
 * @property {string[]} versionArgs  how to ask it for its version
 * @property {string} version   what the answer must contain to be taken from PATH
 *
 * @typedef {object} Module
 * @property {string} name      folder below toolchain/
 * @property {string} version
 * @property {"engine" | "sandbox" | "judges"} part  engine parts are needed everywhere, sandbox parts only without a cluster of one's own, judges by the tests alone
 * @property {number} minutes   a cold build on two cores, for the progress line
 * @property {string} ldflags
 * @property {string[]} [flags]
 * @property {{module: string, from: string, to: string}[]} [embeds]  files copied out of a Go module before building
 * @property {{module: string, from: string, to: string}[]} [extracts] files copied out of a Go module into the output
 * @property {Binary[]} binaries
 */

/** @type {Module[]} In the order of need: the engine first. */
export const modules = [
	{
		name: "pulumi",
		version: pulumiVersion,
		part: "engine",
		minutes: 4,
		flags: ["-tags", "osusergo"],
		// Without the version the SDK's check of the minimum fails.
		ldflags: `-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${pulumiVersion}`,
		binaries: [
			{
				name: "pulumi",
				pkg: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
				variable: "PULUMI_BIN",
				versionArgs: ["version"],
				version: `v${pulumiVersion}`,
			},
		],
	},
	{
		name: "kubernetes-provider",
		version: providerVersion,
		part: "engine",
		minutes: 7,
		ldflags: `-s -w -X github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version.Version=${providerVersion}`,
		embeds: [
			{
				module: "github.com/pulumi/pulumi-kubernetes/provider/v4",
				from: "cmd/pulumi-resource-kubernetes/schema.json",
				to: "schema.json",
			},
		],
		binaries: [
			{
				name: "pulumi-resource-kubernetes",
				pkg: ".",
				variable: "PULUMI_RESOURCE_KUBERNETES_BIN",
				// Laid out as a PULUMI_HOME, the only place besides PATH where the CLI looks for a plugin.
				path: `pulumi-home/plugins/resource-kubernetes-v${providerVersion}/pulumi-resource-kubernetes`,
				versionArgs: ["--version"],
				version: providerVersion,
			},
		],
	},
	{
		name: "control-plane",
		version: kubernetesVersion,
		part: "sandbox",
		minutes: 8,
		ldflags: `-s -w ${kubernetesVersionFlags}`,
		binaries: [
			...["kube-apiserver", "kube-controller-manager", "kube-scheduler"].map(
				(name) => ({
					name,
					pkg: `k8s.io/kubernetes/cmd/${name}`,
					variable: `${name.toUpperCase().replaceAll("-", "_")}_BIN`,
					versionArgs: ["--version"],
					version: `v${kubernetesVersion}`,
				}),
			),
			{
				name: "etcd",
				pkg: "go.etcd.io/etcd/server/v3",
				variable: "ETCD_BIN",
				versionArgs: ["--version"],
				version: etcdVersion,
			},
		],
	},
	{
		// For looking around in the sandbox, and for the comparison in bench/.
		name: "kubectl",
		version: kubernetesVersion,
		part: "sandbox",
		minutes: 1,
		ldflags: `-s -w ${kubernetesVersionFlags}`,
		binaries: [
			{
				name: "kubectl",
				pkg: "k8s.io/kubernetes/cmd/kubectl",
				variable: "KUBECTL_BIN",
				versionArgs: ["version", "--client"],
				version: `v${kubernetesVersion}`,
			},
		],
	},
	{
		name: "kwok",
		version: kwokVersion,
		part: "sandbox",
		minutes: 2,
		ldflags: `-s -w -X sigs.k8s.io/kwok/pkg/consts.Version=v${kwokVersion}`,
		extracts: ["node/fast", "node/heartbeat-with-lease", "pod/fast"].map(
			(stage) => ({
				module: "sigs.k8s.io/kwok",
				from: `kustomize/stage/${stage}`,
				to: `stages/${stage.replaceAll("/", "-")}`,
			}),
		),
		binaries: [
			{
				name: "kwok",
				pkg: "sigs.k8s.io/kwok/cmd/kwok",
				variable: "KWOK_BIN",
				versionArgs: ["--version"],
				version: kwokVersion,
			},
		],
	},
	{
		// The sandbox's stand-in for MongoDB, against which backup and restore run for real.
		name: "ferretdb",
		version: ferretdbVersion,
		part: "sandbox",
		minutes: 2,
		ldflags: "-s -w",
		binaries: [
			{
				name: "ferretdb",
				pkg: ".",
				variable: "FERRETDB_BIN",
				versionArgs: ["-version"],
				version: `v${ferretdbVersion}`,
			},
		],
	},
	{
		name: "mongo-tools",
		version: mongoToolsVersion,
		part: "sandbox",
		minutes: 1,
		ldflags: `-s -w -X main.VersionStr=${mongoToolsVersion}`,
		binaries: ["mongodump", "mongorestore"].map((name) => ({
			name,
			pkg: `github.com/mongodb/mongo-tools/${name}/main`,
			variable: `${name.toUpperCase()}_BIN`,
			versionArgs: ["--version"],
			version: mongoToolsVersion,
		})),
	},
	{
		// They judge what the programs render, and bring the schemas of the Prometheus operator's objects.
		name: "judges",
		version: kubeScoreVersion,
		part: "judges",
		minutes: 1,
		ldflags: "-s -w",
		extracts: [
			{
				module: "github.com/prometheus-operator/prometheus-operator",
				from: "example/prometheus-operator-crd",
				to: "crds",
			},
		],
		binaries: [
			{
				name: "kube-score",
				pkg: "github.com/zegl/kube-score/cmd/kube-score",
				variable: "KUBE_SCORE_BIN",
				versionArgs: ["version"],
				version: kubeScoreVersion,
			},
			{
				name: "kubeconform",
				pkg: "github.com/yannh/kubeconform/cmd/kubeconform",
				variable: "KUBECONFORM_BIN",
				versionArgs: ["-v"],
				version: kubeconformVersion,
			},
		],
	},
];
