// Which addresses the service may be sent to by a tenant: public ones. What a name stands for is asked anew for each
// connection, and the answer that was checked is the one that is connected to, so a name that changes its mind between the
// check and the connection gains nothing.
import { lookup as askSystem } from "node:dns/promises";
import type { LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";
import type { TargetPolicy } from "../domain/webhook.ts";
import { Failure } from "../failure.ts";

export interface Address {
	readonly address: string;
	readonly family: number;
}

/** The addresses of a name; throws if there are none. */
export type Resolve = (host: string) => Promise<readonly Address[]>;

export const resolveBySystem: Resolve = (host) =>
	askSystem(host, { all: true });

/** The host of a URL without the brackets of an IPv6 address. */
export const readHost = ({ hostname }: URL): string =>
	hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");

const isLiteral = (host: string) => ipaddr.isValid(host);

const globalUnicast = ipaddr.parseCIDR("2000::/3");

/** Neither private, link-local, loopback, multicast nor anything else that is not a public host (IANA's registries). */
function isPublic(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
	if (address.range() !== "unicast") return false;
	return address.kind() === "ipv4" || address.match(globalUnicast);
}

/** An IPv4 address in the clothes of IPv6 is judged as what it is. */
function mayConnect(policy: TargetPolicy, text: string): boolean {
	if (!ipaddr.isValid(text)) return false;
	const address = ipaddr.process(text);
	return (
		isPublic(address) ||
		policy.allowedCidrs.some((cidr) => {
			const range = ipaddr.parseCIDR(cidr);
			return range[0].kind() === address.kind() && address.match(range);
		})
	);
}

const isAllowedHost = (policy: TargetPolicy, host: string) =>
	policy.allowedHosts.includes(host.toLowerCase());

const refuseAddress = () =>
	new Failure({
		code: "forbidden",
		message: "The target's address is not a public one.",
		untouched: "Nothing was sent.",
		advice:
			"Name a public host, or have the operator of this service allow the target (WEBHOOK_ALLOWED_HOSTS, WEBHOOK_ALLOWED_CIDRS).",
	});

/** For what node connects by: gives it those addresses of a name that are allowed, and `forbidden` if none is. */
export function makeLookup(
	policy: TargetPolicy,
	resolve: Resolve,
): LookupFunction {
	return (host, options, callback) => {
		findAllowed(policy, resolve, host).then(
			(addresses) => {
				const [first] = addresses;
				if (options.all) callback(null, [...addresses]);
				else callback(null, first?.address ?? "", first?.family);
			},
			(error) => callback(error, []),
		);
	};
}

async function findAllowed(
	policy: TargetPolicy,
	resolve: Resolve,
	host: string,
): Promise<readonly Address[]> {
	const addresses = await resolve(host);
	const allowed = isAllowedHost(policy, host)
		? addresses
		: addresses.filter(({ address }) => mayConnect(policy, address));
	if (allowed.length === 0) throw refuseAddress();
	return allowed;
}

/**
 * Why nothing will ever be sent to this URL, as far as it shows without a look at what its name stands for now; undefined:
 * the connection will tell.
 */
export function explainRefusal(
	policy: TargetPolicy,
	url: URL,
): string | undefined {
	const host = readHost(url).toLowerCase();
	if (url.protocol !== "https:" && !policy.allowsHttp)
		return "must begin with https://";
	if (isAllowedHost(policy, host)) return undefined;
	// RFC 6761 §6.3: these stand for the machine itself.
	const isHere = host === "localhost" || host.endsWith(".localhost");
	const isRefused = isHere
		? !mayConnect(policy, "127.0.0.1") && !mayConnect(policy, "::1")
		: isLiteral(host) && !mayConnect(policy, host);
	return isRefused ? "does not lead to a public address" : undefined;
}

/** Throws `forbidden` for a URL whose host is an address that is not allowed: node does not look those up. */
export function checkLiteral(policy: TargetPolicy, url: URL): void {
	const host = readHost(url);
	if (
		isLiteral(host) &&
		!isAllowedHost(policy, host) &&
		!mayConnect(policy, host)
	)
		throw refuseAddress();
}
