// Starting programs, hearing that they are ready, and stopping them by their own id.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** A folder with kubewise-server, kubewise-agent and sample-cluster. */
export function program(name: string): string {
  const folder = process.env.KUBEWISE_E2E_BIN_DIR;
  if (!folder) {
    throw new Error("KUBEWISE_E2E_BIN_DIR must name the folder with kubewise-server, kubewise-agent and sample-cluster");
  }
  return path.resolve(folder, name);
}

/** Starts a program whose output goes to a file. */
export function start(name: string, args: string[], env: NodeJS.ProcessEnv, log: string): ChildProcess {
  const output = openSync(log, "a");
  const child = spawn(program(name), args, { env: { ...process.env, ...env }, stdio: ["ignore", output, output] });
  child.on("error", (error) => console.error(`${name}: ${error.message}`));
  return child;
}

/** Runs a program to its end and answers the JSON line it prints. */
export function run<T>(name: string, args: string[], env: NodeJS.ProcessEnv, input = ""): T {
  const done = spawnSync(program(name), args, { env: { ...process.env, ...env }, input, encoding: "utf8" });
  if (done.status !== 0) {
    throw new Error(`${name} ${args.join(" ")} ended with ${done.status}: ${done.stderr || done.error}`);
  }
  return JSON.parse(done.stdout.trim().split("\n").at(-1)!) as T;
}

/** Asks a program to end, and makes it end when it does not. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const late = sleep(15_000, "late", { ref: false });
  if ((await Promise.race([ended, late])) === "late") {
    child.kill("SIGKILL");
    await ended;
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Tries until it succeeds. */
export async function until<T>(what: string, seconds: number, attempt: () => Promise<T | undefined>): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const result = await attempt().catch(() => undefined);
    if (result !== undefined) return result;
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s`);
    await sleep(200);
  }
}
