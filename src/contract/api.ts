// The whole API. The server refuses to start unless each of these has exactly one handler.
import { listAudit } from "./audit.ts";
import {
	backUpEnvironment,
	listBackups,
	restoreEnvironment,
} from "./backups.ts";
import { listBlueprints } from "./blueprints.ts";
import { cloneEnvironment } from "./clones.ts";
import { readDocument } from "./document.ts";
import type { Endpoint } from "./endpoint.ts";
import {
	createEnvironment,
	describeEnvironment,
	destroyEnvironment,
	extendEnvironment,
	findEnvironment,
	hibernateEnvironment,
	listEnvironments,
	listRevisions,
	refreshEnvironment,
	rollbackEnvironment,
	upgradeEnvironment,
	wakeEnvironment,
} from "./environments.ts";
import {
	listEnvironmentEvents,
	listOperationEvents,
	listTenantEvents,
} from "./events.ts";
import { checkAlive, checkReady, findVersion } from "./health.ts";
import {
	createIdentityRule,
	deleteIdentityRule,
	listIdentityRules,
} from "./identity-rules.ts";
import { listLeftovers } from "./leftovers.ts";
import {
	approveOperation,
	cancelOperation,
	findOperation,
	listAllOperations,
	listOperations,
	rejectOperation,
	retryOperation,
} from "./operations.ts";
import { findPreview, previewEnvironment } from "./previews.ts";
import { findProblem, listProblems } from "./problem-pages.ts";
import { createRelease, findRelease, listReleases } from "./releases.ts";
import {
	abortRollout,
	createRollout,
	findRollout,
	listRollouts,
	resumeRollout,
} from "./rollouts.ts";
import { rotateSecrets } from "./secrets.ts";
import { listTargets } from "./targets.ts";
import {
	changeTenant,
	createTenant,
	findTenant,
	findUsage,
	listTenants,
} from "./tenants.ts";
import { createToken, listTokens, revokeToken } from "./tokens.ts";
import {
	changeWebhook,
	createWebhook,
	deleteWebhook,
	findWebhook,
	listDeliveries,
	listWebhooks,
	pingWebhook,
	redeliver,
	rotateWebhookSecret,
} from "./webhooks.ts";

export const api: readonly Endpoint[] = [
	createEnvironment,
	listEnvironments,
	findEnvironment,
	describeEnvironment,
	refreshEnvironment,
	upgradeEnvironment,
	previewEnvironment,
	findPreview,
	rollbackEnvironment,
	hibernateEnvironment,
	wakeEnvironment,
	extendEnvironment,
	destroyEnvironment,
	backUpEnvironment,
	restoreEnvironment,
	listBackups,
	cloneEnvironment,
	rotateSecrets,
	listRevisions,
	listOperations,
	listAllOperations,
	listEnvironmentEvents,
	findOperation,
	cancelOperation,
	retryOperation,
	approveOperation,
	rejectOperation,
	listOperationEvents,
	listTenantEvents,
	listBlueprints,
	listReleases,
	findRelease,
	createRelease,
	listTargets,
	listLeftovers,
	createRollout,
	listRollouts,
	findRollout,
	resumeRollout,
	abortRollout,
	listTenants,
	createTenant,
	findTenant,
	changeTenant,
	findUsage,
	listTokens,
	createToken,
	revokeToken,
	listIdentityRules,
	createIdentityRule,
	deleteIdentityRule,
	readDocument,
	createWebhook,
	listWebhooks,
	findWebhook,
	changeWebhook,
	rotateWebhookSecret,
	pingWebhook,
	listDeliveries,
	redeliver,
	deleteWebhook,
	listAudit,
	listProblems,
	findProblem,
	checkAlive,
	checkReady,
	findVersion,
];
