// From where a request comes: the connection's other end, or what trusted proxies say of it.
import type { Request } from "express";
import ipaddr from "ipaddr.js";

/** The client's address. `X-Forwarded-For` counts only where a trusted proxy has said it (Express's "trust proxy"). */
export const readAddress = (request: Request): string =>
	request.ip ?? "unknown";

/** What is counted as one origin: an address of IPv4, or the 64 bits of IPv6 that a single customer has at his disposal. */
export function readOrigin(request: Request): string {
	const text = readAddress(request);
	if (!ipaddr.isValid(text)) return text;
	const address = ipaddr.process(text);
	if (address instanceof ipaddr.IPv4) return address.toString();
	return `${address.parts
		.slice(0, 4)
		.map((part) => part.toString(16))
		.join(":")}::/64`;
}
