// A server that bills, with a Stripe on this machine that has Checkout, a customer portal, and a clock that is moved.
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";

import { mailServer } from "./mail.ts";
import { freePort, run, start, stop, until } from "./processes.ts";
import { keep, mustNotBeLogged } from "./secrets.ts";

export interface Shop {
  /** Where the server answers. */
  url: string;
  /** A folder for everything that is written. */
  folder: string;
  /** Moves Stripe's clock. */
  pass: (days: number) => Promise<void>;
  /** Whether Stripe answers. */
  down: (down: boolean) => Promise<void>;
  /** What Stripe has. */
  state: () => Promise<{ customers: Customer[] }>;
  /** Runs a command of whoever runs the installation. */
  admin: <T>(...args: string[]) => T;
  stop: () => Promise<void>;
}

interface Customer {
  id: string;
  email: string | null;
  name: string | null;
  address: Record<string, string | null> | null;
}

const KEY = "sk_test_of_the_browser_tests";
const SECRET = "whsec_of_the_browser_tests";

export async function openShop(): Promise<Shop> {
  const folder = mkdtempSync("/var/tmp/kubewise-shop-");
  chmodSync(folder, 0o755);
  const data = path.join(folder, "data");
  mkdirSync(data, { mode: 0o755 });
  const sent = path.join(folder, "sent");
  keep(folder, KEY, SECRET);
  const url = `http://localhost:${await freePort()}`;
  const mail = await mailServer(path.join(folder, "mail"));
  const log = path.join(folder, "stripe.out");
  const stripe = start("sample-stripe", ["--webhook", `${url}/webhooks/stripe`, "--secret", SECRET, "--sent", sent], {}, log);
  const api = await until("Stripe", 20, async () => {
    const line = readFileSync(log, "utf8").split("\n").find((l) => l.startsWith("{"));
    return line && (JSON.parse(line) as { url: string }).url;
  });
  const env = {
    KUBEWISE_STRIPE_SECRET_KEY: KEY,
    KUBEWISE_STRIPE_WEBHOOK_SECRET: SECRET,
    KUBEWISE_STRIPE_PRICE_TEAM: "price_team",
    KUBEWISE_STRIPE_API_BASE: api,
    KUBEWISE_SMTP_URL: mail.url,
    KUBEWISE_MAIL_FROM: "Kubewise <kubewise@northwind.example>",
    KUBEWISE_LOG: "trace",
    KUBEWISE_DATA_DIR: data,
    KUBEWISE_LISTEN: url.replace("http://localhost", "127.0.0.1"),
    KUBEWISE_PUBLIC_URL: url,
    LEPTOS_SITE_ROOT: path.resolve(process.env.KUBEWISE_E2E_SITE!),
  };
  const server = start("kubewise-server", ["serve"], env, path.join(folder, "server.log"));
  const control = async (what: string, body: object) => {
    const answer = await fetch(`${api}/_control/${what}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${what}: ${answer.status} ${await answer.text()}`);
  };
  const end = async () => {
    await stop(server);
    await stop(stripe);
    await mail.stop();
  };
  try {
    await until("the server that bills", 90, async () => (await fetch(`${url}/healthz`)).ok || undefined);
  } catch (error) {
    await end();
    throw error;
  }
  return {
    url,
    folder,
    pass: (days) => control("advance", { seconds: days * 86_400 }),
    down: (down) => control("down", { down }),
    state: async () => (await fetch(`${api}/_control/state`)).json() as Promise<{ customers: Customer[] }>,
    admin: (...args) => run("kubewise-server", ["admin", ...args], env),
    stop: async () => {
      await end();
      const undocumented = readFileSync(sent, "utf8").split("\n").filter((line) => line.startsWith("UNDOCUMENTED"));
      if (undocumented.length > 0) throw new Error(`Stripe was sent what docs/billing/data-sent.md does not name:\n${undocumented.join("\n")}`);
      mustNotBeLogged(folder);
      if (!process.env.KUBEWISE_E2E_KEEP) rmSync(folder, { recursive: true, force: true });
    },
  };
}
