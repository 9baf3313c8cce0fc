// Who may do what: the only table of it. A declaration of the API names the permission that it asks for, and the role is
// read here, by the server, the document and the tests alike.
import { mayActAs, type Role } from "./tenant.ts";

/** Permission → the least role that has it, within its tenant. */
export const leastRoles = {
	"environments:read": "viewer",
	"environments:create": "operator",
	"environments:describe": "operator",
	"environments:upgrade": "operator",
	"environments:preview": "operator",
	"environments:rollback": "operator",
	"environments:hibernate": "operator",
	"environments:wake": "operator",
	"environments:refresh": "operator",
	"environments:extend": "operator",
	"environments:backup": "operator",
	"environments:restore": "operator",
	"environments:clone": "operator",
	"environments:rotate-secrets": "operator",
	"environments:destroy": "operator",
	"operations:read": "viewer",
	"operations:cancel": "operator",
	"operations:retry": "operator",
	"operations:approve": "operator",
	"operations:reject": "operator",
	"catalogue:read": "viewer",
	"catalogue:write": "platform-admin",
	"leftovers:read": "platform-admin",
	"rollouts:read": "platform-admin",
	"rollouts:write": "platform-admin",
	"tenants:read": "platform-admin",
	"tenants:write": "platform-admin",
	"usage:read": "viewer",
	"identity-rules:read": "platform-admin",
	"identity-rules:write": "platform-admin",
	"webhooks:read": "operator",
	"webhooks:write": "admin",
	"audit:read": "admin",
	"tokens:read": "admin",
	"tokens:write": "admin",
} as const satisfies Record<`${string}:${string}`, Role>;

export type Permission = keyof typeof leastRoles;

export const permissions = Object.keys(leastRoles) as Permission[];

/** Whether the role is high enough for it. */
export const hasPermission = (role: Role, permission: Permission): boolean =>
	mayActAs(role, leastRoles[permission]);
