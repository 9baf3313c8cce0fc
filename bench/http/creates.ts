// Orders at a pace.
import { makeOrderer } from "../api/orders.ts";
import type { Readings } from "../statistics.ts";
import { measurePaced } from "./pace.ts";

export const perSecond = 50;
export const orders = 1_000;
const clients = 25;

export async function measureCreates(
	url: string,
	token: string,
): Promise<Readings> {
	const orderers = Array.from({ length: clients }, () =>
		makeOrderer(url, token),
	);
	try {
		return await measurePaced(
			{ perSecond, count: orders, warm: 100 },
			async (i) => {
				const orderer = orderers[i % clients];
				if (orderer === undefined) throw new Error("there is no orderer");
				await orderer.order(`paced-${i}`);
			},
		);
	} finally {
		for (const orderer of orderers) orderer.close();
	}
}
