// What the tests know of people and the programs must not log, at the most talkative level: names, addresses, passwords,
// links, cookies, tokens.
import { appendFileSync, closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
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
  const forms = new Set([...secrets].filter((secret) => secret.length >= 8).flatMap((secret) => [secret, encodeURIComponent(secret)]));
  for (const file of logs) {
    const left = new Set(forms);
    for (const part of parts(file, Math.max(...[...forms].map((form) => Buffer.byteLength(form))))) {
      for (const form of left) {
        const at = part.indexOf(form);
        if (at < 0) continue;
        left.delete(form);
        found.push(`${path.basename(file)}: ${part.subarray(Math.max(0, at - 200), at + 100).toString()}`);
      }
    }
  }
  if (secrets.size < 3) throw new Error("nothing was noted that could be looked for");
  if (found.length > 0) throw new Error(`what must not be logged was:\n${found.join("\n")}`);
}

const PART = 64 * 1024 * 1024;

/** What is in a file, whatever its size, in parts that overlap by so many bytes. */
function* parts(file: string, overlap: number) {
  const open = openSync(file, "r");
  try {
    const buffer = Buffer.alloc(PART);
    for (let from = 0; ; from += PART - overlap) {
      const length = readSync(open, buffer, 0, PART, from);
      yield buffer.subarray(0, length);
      if (length < PART) return;
    }
  } finally {
    closeSync(open);
  }
}
