// What the deployer may do in the sandbox, and what a real cluster has to grant it: namespaces and what an
// environment consists of, nothing of the cluster itself. Never system:masters: that group is exempt from
// limits, and would hide the 403 and the 429 that a real cluster answers.

const everything = [
	"get",
	"list",
	"watch",
	"create",
	"update",
	"patch",
	"delete",
	"deletecollection",
];
const looking = ["get", "list", "watch"];

interface Rule {
	readonly apiGroups: readonly string[];
	readonly resources: readonly string[];
	readonly verbs: readonly string[];
}

export const deployerRules: readonly Rule[] = [
	{
		apiGroups: [""],
		resources: [
			"namespaces",
			"configmaps",
			"secrets",
			"services",
			"serviceaccounts",
			"persistentvolumeclaims",
			"pods",
			"resourcequotas",
			"limitranges",
		],
		verbs: everything,
	},
	{
		apiGroups: ["apps"],
		resources: ["deployments", "statefulsets", "daemonsets", "replicasets"],
		verbs: everything,
	},
	{ apiGroups: ["batch"], resources: ["jobs", "cronjobs"], verbs: everything },
	{
		apiGroups: ["autoscaling"],
		resources: ["horizontalpodautoscalers"],
		verbs: everything,
	},
	{
		apiGroups: ["policy"],
		resources: ["poddisruptionbudgets"],
		verbs: everything,
	},
	{
		apiGroups: ["networking.k8s.io"],
		resources: ["ingresses", "networkpolicies"],
		verbs: everything,
	},
	{
		// Where the cluster has the Prometheus operator.
		apiGroups: ["monitoring.coreos.com"],
		resources: ["podmonitors", "servicemonitors", "prometheusrules"],
		verbs: everything,
	},
	{
		apiGroups: ["rbac.authorization.k8s.io"],
		resources: ["roles", "rolebindings"],
		verbs: everything,
	},
	{
		apiGroups: ["", "events.k8s.io"],
		resources: ["events"],
		verbs: looking,
	},
	{
		apiGroups: [""],
		resources: ["pods/log", "endpoints", "nodes", "persistentvolumes"],
		verbs: looking,
	},
	{
		apiGroups: ["apps"],
		resources: ["controllerrevisions"],
		verbs: looking,
	},
	{
		apiGroups: ["discovery.k8s.io"],
		resources: ["endpointslices"],
		verbs: looking,
	},
	{
		apiGroups: ["storage.k8s.io"],
		resources: ["storageclasses"],
		verbs: looking,
	},
	{
		apiGroups: ["networking.k8s.io"],
		resources: ["ingressclasses"],
		verbs: looking,
	},
	{
		apiGroups: ["scheduling.k8s.io"],
		resources: ["priorityclasses"],
		verbs: looking,
	},
	{
		apiGroups: ["apiextensions.k8s.io"],
		resources: ["customresourcedefinitions"],
		verbs: looking,
	},
];
