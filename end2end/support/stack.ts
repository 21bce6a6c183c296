// The whole system: the server on a database of its own, sample clusters, agents.
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

import { mailServer } from "./mail.ts";
import { issuer } from "./oidc.ts";
import { freePort, run, start, stop, until } from "./processes.ts";
import { keep, mustNotBeLogged } from "./secrets.ts";

/** What the tests know of the running system; handed to the workers in a variable. */
export interface Stack {
  /** Where the server answers. */
  url: string;
  /** A folder for everything that is written. */
  folder: string;
  /** Someone with an organisation whose cluster is inventoried. */
  resident: Account & { cluster: string };
}

export interface Account {
  name: string;
  email: string;
  password: string;
  organisation: string;
  /** What follows /o/. */
  slug: string;
}

const VARIABLE = "KUBEWISE_E2E_STACK";

export function stack(): Stack {
  const text = process.env[VARIABLE];
  if (!text) throw new Error("the system is not running");
  return JSON.parse(text) as Stack;
}

/** Starts everything; answers how to stop it. */
export async function up(): Promise<() => Promise<void>> {
  // PostgreSQL refuses root, so the server runs it as another user when it must: that user has to reach the folder.
  const folder = mkdtempSync("/var/tmp/kubewise-e2e-");
  chmodSync(folder, 0o755);
  const site = process.env.KUBEWISE_E2E_SITE;
  if (!site) throw new Error("KUBEWISE_E2E_SITE must name the folder with the built pages");
  const port = await freePort();
  // A name: passkeys belong to names.
  const url = `http://localhost:${port}`;
  const mail = await mailServer(path.join(folder, "mail"));
  const oidc = await issuer(await freePort(), url);
  const env = {
    ...oidc.env,
    KUBEWISE_SMTP_URL: mail.url,
    KUBEWISE_MAIL_FROM: "Kubewise <kubewise@northwind.example>",
    // Where the tests receive webhooks.
    KUBEWISE_WEBHOOK_ALLOW: "127.0.0.1/32",
    KUBEWISE_LOG: "trace",
    KUBEWISE_DATA_DIR: path.join(folder, "data"),
    KUBEWISE_LISTEN: `127.0.0.1:${port}`,
    KUBEWISE_PUBLIC_URL: url,
    LEPTOS_SITE_ROOT: path.resolve(site),
  };
  mkdirSync(env.KUBEWISE_DATA_DIR, { mode: 0o755 });

  const server = start("kubewise-server", ["serve"], env, path.join(folder, "server.log"));
  const running: (() => Promise<void>)[] = [mail.stop, oidc.stop, () => stop(server)];
  const down = async () => {
    for (const end of running.reverse()) await end();
    if (process.env[VARIABLE]) mustNotBeLogged(folder);
    if (!process.env.KUBEWISE_E2E_KEEP) rmSync(folder, { recursive: true, force: true });
  };
  try {
    await until("the server", 90, async () => {
      if (server.exitCode !== null) return false;
      return (await fetch(`${url}/healthz`)).ok || undefined;
    });
    if (server.exitCode !== null) throw new Error(`the server ended:\n${tail(path.join(folder, "server.log"))}`);

    const person = {
      name: "Maya Duran",
      email: "maya@northwind.example",
      organisation: "Northwind Retail",
      password: "violet anchor drums quietly",
    };
    const made = run<{ organisation: string }>(
      "kubewise-server",
      ["admin", "create-user", "--name", person.name, "--email", person.email, "--organisation", person.organisation],
      env,
      person.password,
    );
    const added = run<{ cluster: string; token: string }>(
      "kubewise-server",
      ["admin", "create-cluster", "--organisation", made.organisation, "--name", "eu-prod"],
      env,
    );
    keep(folder, person.name, person.email, person.password, added.token);
    const told: Stack = {
      url,
      folder,
      resident: { ...person, slug: made.organisation, cluster: added.cluster },
    };
    process.env[VARIABLE] = JSON.stringify(told);

    const cluster = await sampleCluster("eu-prod");
    running.push(cluster.stop);
    const agent = startAgent("eu-prod", added.token, cluster.kubeconfig);
    running.push(agent.stop);
    await until("the first inventory", 60, async () => {
      const status = run<{ status: string }>(
        "kubewise-server",
        ["admin", "cluster-status", "--organisation", made.organisation, "--name", "eu-prod"],
        env,
      );
      return status.status === "live" || undefined;
    });
  } catch (error) {
    console.error(tail(path.join(folder, "server.log")));
    await down();
    throw error;
  }
  return down;
}

/** Runs a command of whoever runs the installation; answers its line. */
export function admin<T>(...args: string[]): T {
  return run<T>("kubewise-server", ["admin", ...args], { KUBEWISE_DATA_DIR: path.join(stack().folder, "data") });
}

/** A small Kubernetes API of its own, with what it serves per kind. */
export async function sampleCluster(name: string, args: string[] = []) {
  const { folder } = stack();
  const unique = `${name}-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  const kubeconfig = path.join(folder, `${unique}.kubeconfig`);
  const log = path.join(folder, `${unique}.log`);
  const child = start("sample-cluster", ["serve", "--port", "0", "--kubeconfig", kubeconfig, ...args], {}, log);
  const told = await until("the sample cluster", 20, async () => {
    const line = readFileSync(log, "utf8").split("\n").find((l) => l.startsWith("{"));
    return line && (JSON.parse(line) as { url: string; totals: Record<string, number> });
  });
  return { kubeconfig, totals: told.totals, stop: () => stop(child) };
}

/** The real agent, as somebody with a token would run it. */
export function startAgent(name: string, token: string, kubeconfig: string) {
  const { folder, url } = stack();
  const unique = `agent-${name}-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  const tokenFile = path.join(folder, `${unique}.token`);
  writeFileSync(tokenFile, token, { mode: 0o600 });
  const child = start(
    "kubewise-agent",
    ["run"],
    {
      KUBEWISE_SERVER: url,
      KUBEWISE_TOKEN_FILE: tokenFile,
      KUBECONFIG: kubeconfig,
      KUBEWISE_HEALTH_LISTEN: "127.0.0.1:0",
      KUBEWISE_SYNC_INTERVAL: "1",
    },
    path.join(folder, `${unique}.log`),
  );
  return { stop: () => stop(child) };
}

function tail(file: string): string {
  return readFileSync(file, "utf8").split("\n").slice(-30).join("\n");
}
