// What Express costs by itself: one route that answers JSON, and nothing around it. Says its port on standard output.
import type { AddressInfo } from "node:net";
import express from "express";

const app = express();
app.get("/", (_request, response) => {
	response.json({ name: "empty", version: "0.0.0" });
});
const server = app.listen(0, "127.0.0.1", () => {
	console.log((server.address() as AddressInfo).port);
});
