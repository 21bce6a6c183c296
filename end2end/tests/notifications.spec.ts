// Who is told without looking: mail at once and as a digest, and webhooks, whose signature is checked here anew.
import { createHmac, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { type IncomingHttpHeaders, createServer } from "node:http";

import type { Page } from "@playwright/test";

import { mailLike, mailTo } from "../support/mail.ts";
import { until } from "../support/processes.ts";
import { keep } from "../support/secrets.ts";
import { type Account, sampleCluster, stack, startAgent } from "../support/stack.ts";
import { addCluster, audited, expect, scripted, settled, signUp, someone, test, visit } from "../support/test.ts";

interface Received {
  headers: IncomingHttpHeaders;
  body: string;
}

/** A small program that takes webhooks, and answers with the statuses that it is given, the last one for ever. */
async function receiver(statuses: number[] = [204]) {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      received.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
      response.writeHead(statuses.length > 1 ? statuses.shift()! : statuses[0]!).end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const secret = `hook-${Math.random().toString(36).slice(2, 12)}`;
  // An address is a secret: no log may have it.
  keep(stack().folder, secret);
  return {
    url: `http://127.0.0.1:${address.port}/${secret}`,
    host: `127.0.0.1:${address.port}`,
    received,
    next: (count: number) => until(`webhook ${count}`, 45, async () => received[count - 1]),
    stop: () => new Promise<void>((ended) => server.close(() => ended())),
  };
}

/** As a receiver checks it, by the specification of Standard Webhooks. */
function isOurs(request: Received, secret: string): boolean {
  const { "webhook-id": id, "webhook-timestamp": at, "webhook-signature": signature } = request.headers;
  if (Math.abs(Date.now() / 1000 - Number(at)) > 300) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const ours = Buffer.from(`v1,${createHmac("sha256", key).update(`${id}.${at}.${request.body}`).digest("base64")}`);
  const theirs = Buffer.from(String(signature));
  return ours.length === theirs.length && timingSafeEqual(ours, theirs);
}

async function openForm(page: Page, account: Account, name: string) {
  await visit(page, `/o/${account.slug}/settings/notifications`);
  await page.getByRole("link", { name: "Make a notification" }).click();
  await page.waitForURL(/\/settings\/notifications\/new$/);
  await settled(page);
  await page.getByLabel("Name", { exact: true }).fill(name);
}

async function make(page: Page) {
  await page.getByRole("button", { name: "Make the notification" }).click();
  await expect(page.getByText("It is made. What happens from now on is told.")).toBeVisible();
  await settled(page);
}

/** Makes a webhook; answers its secret. */
async function makeWebhook(page: Page, account: Account, url: string) {
  await openForm(page, account, "pager");
  await page.getByRole("radio", { name: /^Webhook/ }).check();
  await page.getByLabel("To the address").fill(url);
  await page.getByLabel("Findings at least").selectOption("low");
  await make(page);
  const shown = page.getByRole("group", { name: "Signing secret" });
  await expect(shown).toHaveText(/^whsec_[A-Za-z0-9+/]{44}$/);
  const secret = (await shown.textContent())!.trim();
  keep(stack().folder, secret);
  return secret;
}

/** Has a cluster of the account inventoried by the real agent, then audited. */
async function inventoriedAndAudited(page: Page, account: Account) {
  const { id, token } = await addCluster(page, account, "edge");
  const cluster = await sampleCluster("edge");
  const agent = startAgent("edge", token, cluster.kubeconfig);
  await audited(page, `/o/${account.slug}/clusters/${id}`);
  return async () => {
    await agent.stop();
    await cluster.stop();
  };
}

test("what an audit finds that is new is mailed, and sent to a webhook that can check who sent it", async ({ page }) => {
  test.slow();
  const owner = someone("Watch");
  await signUp(page, owner);
  const hook = await receiver();
  const secret = await makeWebhook(page, owner, hook.url);
  // The address is shown by its host alone, the secret once.
  await expect(page.getByText(hook.host).first()).toBeVisible();
  expect(await page.content()).not.toContain(new URL(hook.url).pathname.slice(1));
  await visit(page, page.url());
  await expect(page.getByRole("group", { name: "Signing secret" })).toHaveCount(0);

  await openForm(page, owner, "morning");
  await make(page);
  const stop = await inventoriedAndAudited(page, owner);

  const told = await hook.next(1);
  expect(isOurs(told, secret)).toBe(true);
  expect(isOurs({ ...told, body: `${told.body} ` }, secret)).toBe(false);
  const body = JSON.parse(told.body);
  expect(body.type).toBe("findings.new");
  expect(body.data.cluster.name).toBe("edge");
  expect(body.data.findings.length).toBeGreaterThan(0);
  expect(body.data.findings[0].url).toContain(`/o/${owner.slug}/clusters/${body.data.cluster.id}/findings/`);

  const high = body.data.counts.critical + body.data.counts.high;
  const counts = [`${body.data.counts.critical} critical`, `${body.data.counts.high} high`].filter((part) => !part.startsWith("0 "));
  const mail = await mailTo(owner.email, `${high} new findings in edge: ${counts.join(", ")}`);
  expect(mail.text).toContain("made the notification morning");
  expect(mail.text).toContain(`/o/${owner.slug}/settings/notifications/`);
  expect(mail.html).toContain(`${body.data.cluster.url}/findings?state=new`);

  // What was told stands on its page.
  await visit(page, `/o/${owner.slug}/settings/notifications`);
  await page.getByRole("link", { name: "pager", exact: true }).click();
  const row = page.getByRole("row").filter({ hasText: "new findings in" });
  await expect(row).toContainText("sent");
  await expect(row).toContainText("answered 204");
  await expect(row).toContainText(String(told.headers["webhook-id"]));
  await stop();
  await hook.stop();
});

test("a digest arrives when it is due", async ({ page }) => {
  test.setTimeout(300_000);
  const owner = someone("Digest");
  await signUp(page, owner);
  // In three minutes from now, cut to the minute: the audit below has ended by then.
  const due = new Date(Date.now() + 180_000);
  const time = due.toISOString().slice(11, 16);
  await openForm(page, owner, "evening");
  await page.getByLabel("When", { exact: true }).selectOption({ label: "Every day" });
  await page.getByLabel("At", { exact: true }).fill(time);
  await make(page);
  await expect(page.getByText(`every day at ${time} UTC`)).toBeVisible();
  const stop = await inventoriedAndAudited(page, owner);
  await until("the digest", 210, async () => {
    const text = await visitDeliveries(page, owner, "evening");
    return /a digest.*sent/s.test(text) || undefined;
  });
  await expect(page.getByRole("row").filter({ hasText: "a digest" })).toContainText("sent");
  const mail = await mailLike(owner.email, new RegExp(`^${owner.organisation}: \\d+ new findings`));
  expect(mail.text).toContain("this is what happened in the clusters of");
  await stop();
});

async function visitDeliveries(page: Page, account: Account, name: string) {
  await visit(page, `/o/${account.slug}/settings/notifications`);
  await page.getByRole("link", { name, exact: true }).click();
  await expect(page.getByRole("heading", { name, level: 1 })).toBeVisible();
  return (await page.getByRole("main").innerText()).toLowerCase();
}

test("a test is sent, tried again while nobody takes it, and what is gone is switched off", async ({ page, provoked }) => {
  provoked.add(422);
  const owner = someone("Pager");
  await signUp(page, owner);
  await visit(page, `/o/${owner.slug}/settings/notifications`);
  await expect(page.getByRole("heading", { name: "Nobody is told of anything yet" })).toBeVisible();

  // Where this server does not send, it says so.
  await openForm(page, owner, "pager");
  await page.getByRole("radio", { name: /^Webhook/ }).check();
  await page.getByLabel("To the address").fill("https://169.254.169.254/latest/meta-data");
  await page.getByRole("button", { name: "Make the notification" }).click();
  await expect(page.getByText("leads to a network that this installation sends nothing to")).toBeVisible();

  const hook = await receiver([500, 204, 410]);
  const secret = await makeWebhook(page, owner, hook.url);
  await page.getByRole("button", { name: "Send a test" }).click();
  await expect(page.getByText("A test is on its way.")).toBeVisible();
  const [first, second] = [await hook.next(1), await hook.next(2)];
  expect(second.headers["webhook-id"]).toBe(first.headers["webhook-id"]);
  expect(isOurs(first, secret) && isOurs(second, secret)).toBe(true);
  await expect(async () => {
    await page.reload();
    await expect(page.getByRole("row").filter({ hasText: "a test" })).toContainText("2 times", { timeout: 1_000 });
    await expect(page.getByRole("row").filter({ hasText: "a test" })).toContainText("answered 204", { timeout: 1_000 });
  }).toPass({ timeout: 20_000 });

  await settled(page);
  await page.getByRole("button", { name: "Send a test" }).click();
  await hook.next(3);
  await expect(async () => {
    await page.reload();
    await expect(page.getByRole("heading", { name: "Switched off" })).toBeVisible({ timeout: 1_000 });
  }).toPass({ timeout: 20_000 });
  await mailTo(owner.email, "A notification was switched off");
  await settled(page);
  await page.getByRole("button", { name: "Switch it on again" }).click();
  await expect(page.getByText("It is switched on again.")).toBeVisible();
  await expect(page.getByRole("heading", { name: "Switched off" })).toHaveCount(0);

  await settled(page);
  await page.getByRole("button", { name: "End the notification" }).click();
  await expect(page.getByText("It has ended: nothing is told by it any more.")).toBeVisible();
  await expect(page.getByRole("heading", { name: "Nobody is told of anything yet" })).toBeVisible();

  // All of it was written down, and nothing of the address.
  await visit(page, `/o/${owner.slug}/settings/activity?action=notification`);
  for (const sentence of ["made the notification pager", "sent a test of the notification pager", "switched on again the notification pager", "ended the notification pager"]) {
    await expect(page.getByRole("cell", { name: sentence }).first()).toBeVisible();
  }
  expect(await page.content()).not.toContain(new URL(hook.url).pathname.slice(1));
  await hook.stop();
});

test("the form shows what belongs to the choice, and asks for what is missing", async ({ page, provoked }) => {
  provoked.add(422);
  const owner = someone("Form");
  await signUp(page, owner);
  await openForm(page, owner, "nothing");
  await expect(page.getByLabel("To the address")).toBeHidden();
  await expect(page.getByLabel("By the clocks of")).toBeHidden();
  await page.getByLabel("When", { exact: true }).selectOption({ label: "Every Monday" });
  await expect(page.getByLabel("By the clocks of")).toBeVisible();
  await page.getByRole("radio", { name: /^Slack/ }).check();
  await expect(page.getByLabel("To the address")).toBeVisible();
  await expect(page.getByLabel("When", { exact: true })).toBeHidden();
  await page.getByRole("radio", { name: /^Mail/ }).check();
  for (const box of [/^New findings/, /^Audits that fail/, /^Silent clusters/]) {
    await page.getByRole("checkbox", { name: box }).uncheck();
  }
  await page.getByRole("button", { name: "Make the notification" }).click();
  await expect(page.getByText("What is told of is missing.")).toBeVisible();
  // Without scripts the form is as it was before the mistake.
  if (!scripted()) await page.getByLabel("Name", { exact: true }).fill("silence");
  await page.getByRole("checkbox", { name: /^Silent clusters/ }).check();
  await make(page);
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
});
