// What the tests know of people and the programs must not log, at the most talkative level: names, addresses, passwords,
// links, cookies, tokens.
import { appendFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

const FILE = "secrets";

/** Notes one; any worker may. */
export function keep(folder: string, ...secrets: string[]) {
  appendFileSync(path.join(folder, FILE), secrets.map((secret) => `${secret}\n`).join(""));
}

/** Fails if a log holds one that was noted, or what a mail held, or the address it went to. */
export function mustNotBeLogged(folder: string) {
  const secrets = new Set(readFileSync(path.join(folder, FILE), "utf8").split("\n"));
  const mails = path.join(folder, "mail");
  for (const name of readdirSync(mails).filter((file) => file.endsWith(".json"))) {
    secrets.add(decodeURIComponent(name.replace(/-\d+\.json$/, "")));
    const text = readFileSync(path.join(mails, name), "utf8");
    for (const [, token] of text.matchAll(/\?token=([\w-]+)/g)) secrets.add(token!);
  }
  const logs = readdirSync(folder).filter((file) => file.endsWith(".log")).map((file) => path.join(folder, file));
  const postgres = path.join(folder, "data/postgres/log");
  if (existsSync(postgres)) logs.push(postgres);
  const found: string[] = [];
  for (const file of logs) {
    const log = readFileSync(file);
    for (const secret of secrets) {
      if (secret.length < 8) continue;
      const at = [secret, encodeURIComponent(secret)].map((form) => log.indexOf(form)).find((place) => place >= 0);
      if (at !== undefined) {
        found.push(`${path.basename(file)}: ${log.subarray(Math.max(0, at - 200), at + 100).toString()}`);
      }
    }
  }
  if (secrets.size < 3) throw new Error("nothing was noted that could be looked for");
  if (found.length > 0) throw new Error(`what must not be logged was:\n${found.join("\n")}`);
}
