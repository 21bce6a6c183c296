// The mail server of the tests: a real SMTP server that gives each mail to whoever waits for it.
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";

import smtp from "smtp-tester";

import { freePort, until } from "./processes.ts";
import { stack } from "./stack.ts";

export interface Mail {
  subject: string;
  text: string;
  html: string;
  /** Where one POST ends such mails (RFC 8058), if it says so. */
  unsubscribe?: string | undefined;
}

/** Starts it; mails land in the folder, one file each. */
export async function mailServer(folder: string) {
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const server = smtp.init(port);
  let count = 0;
  server.bind((_to, _id, email) => {
    const [to] = Object.keys(email.receivers);
    const head = String(email.data).split("\r\n\r\n")[0]!.replaceAll(/\r\n[ \t]+/g, " ");
    const unsubscribe = /^List-Unsubscribe-Post: List-Unsubscribe=One-Click$/im.test(head)
      ? /^List-Unsubscribe: <([^>]+)>/im.exec(head)?.[1]
      : undefined;
    const mail: Mail = { subject: String(email.headers.subject), text: email.body, html: email.html ?? "", unsubscribe };
    // Renamed when it is whole.
    const file = path.join(folder, `${encodeURIComponent((to ?? "").toLowerCase())}-${String(count++).padStart(4, "0")}.json`);
    writeFileSync(`${file}.part`, JSON.stringify(mail));
    renameSync(`${file}.part`, file);
  });
  return {
    url: `smtp://127.0.0.1:${port}`,
    stop: () => new Promise<void>((ended) => server.stop(() => ended())),
  };
}

/** The last mail to an address with this subject; waits for one. */
export async function mailTo(address: string, subject: string): Promise<Mail> {
  return mailThat(address, subject, (mail) => mail.subject === subject);
}

/** The same, of which the subject is known in part. */
export async function mailLike(address: string, subject: RegExp, folder = stack().folder): Promise<Mail> {
  return mailThat(address, String(subject), (mail) => subject.test(mail.subject), folder);
}

async function mailThat(address: string, what: string, is: (mail: Mail) => boolean, of = stack().folder): Promise<Mail> {
  const folder = path.join(of, "mail");
  const name = `${encodeURIComponent(address.toLowerCase())}-`;
  return until(`a mail to ${address}: ${what}`, 20, async () =>
    readdirSync(folder)
      .filter((file) => file.startsWith(name) && file.endsWith(".json"))
      .sort()
      .map((file) => JSON.parse(readFileSync(path.join(folder, file), "utf8")) as Mail)
      .findLast(is),
  );
}

/** The path and query of the link in a mail. */
export function linkIn(mail: Mail): string {
  const url = /https?:\/\/\S+\?token=\S+/.exec(mail.text);
  if (!url) throw new Error(`no link in: ${mail.text}`);
  if (!mail.html.includes(url[0])) throw new Error("the link is in the plain text alone");
  const { pathname, search } = new URL(url[0]);
  return pathname + search;
}
