// A warm child process: started by the pool, with the engine and the programs loaded before there is work.
import { flushCompileCache } from "node:module";
import { openEngine } from "../engine/open.ts";
import { startServing } from "./serve.ts";

startServing(openEngine);
// Otherwise it is written at a clean exit only, and most children are ended otherwise.
flushCompileCache();
