// A warm child process: started by the pool, with the engine and the programs loaded before there is work.
import { openEngine } from "../engine/open.ts";
import { startServing } from "./serve.ts";

startServing(openEngine);
