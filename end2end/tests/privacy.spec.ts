// What people and organisations can do about what is held about them: take it out, say for how long it is kept, have it
// deleted, and prove afterwards that it was.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import type { Page } from "@playwright/test";

import { linkIn, mailTo } from "../support/mail.ts";
import { keep } from "../support/secrets.ts";
import { type Account, admin, stack } from "../support/stack.ts";
import { addCluster, expect, forget, scripted, settled, signUp, someone, test, visit } from "../support/test.ts";
import { unzip } from "../support/zip.ts";

const data = (account: Account) => `/o/${account.slug}/settings/data`;

/** What a signed certificate says, once it is there and the server's own command finds it good. */
async function certified(page: Page, address: string) {
  let text = "";
  await expect(async () => {
    const response = await page.request.get(address);
    expect(response.status()).toBe(200);
    expect(response.headers()["content-disposition"]).toContain("attachment");
    text = await response.text();
  }).toPass({ timeout: 45_000 });
  const file = path.join(stack().folder, `certificate-${Math.random().toString(36).slice(2)}.json`);
  writeFileSync(file, text);
  const told = admin<{ valid: boolean; certificate: Record<string, unknown> }>("verify-certificate", file);
  expect(told.valid).toBe(true);
  // One letter more, and it is not as it was signed.
  writeFileSync(file, text.replace(/("certificate": ?")\{/, "$1 {"));
  expect(() => admin("verify-certificate", file)).toThrow(/not signed by this installation, or changed since/);
  return told.certificate;
}

/** The certificate that a mail about a deletion leads to. */
async function mailedCertificate(page: Page, email: string, subject: string) {
  const link = linkIn(await mailTo(email, subject));
  keep(stack().folder, new URL(link, stack().url).searchParams.get("token")!);
  await page.goto(link);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(/was deleted$/);
  return certified(page, link.replace("/erasure?", "/erasure/certificate?"));
}

/** Is led to the page that says how a deletion is doing, and waits until it has ended. */
async function erased(page: Page) {
  await expect(page).toHaveURL(/\/erasure\?token=/);
  const { search, searchParams } = new URL(page.url());
  keep(stack().folder, searchParams.get("token")!);
  const certificate = await certified(page, `/erasure/certificate${search}`);
  // The page asks again by itself.
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(/was deleted$/);
  return certificate;
}

async function deleteOrganisation(page: Page, account: Account, when: RegExp) {
  await visit(page, data(account));
  await page.getByLabel(`Type ${account.organisation} to confirm`).fill(account.organisation);
  await page.getByRole("radio", { name: when }).check();
  await page.getByRole("button", { name: "Delete the organisation" }).click();
}

test("all that is held about a person is mailed to them as a link that works once", async ({ page, provoked }) => {
  test.slow();
  provoked.add(410);
  const account = someone("Taker");
  await signUp(page, account);
  await visit(page, "/account");
  await page.getByRole("link", { name: "Privacy", exact: true }).click();
  await page.waitForURL("/account/privacy");
  await settled(page);
  await page.getByRole("button", { name: "Gather my data" }).click();
  await expect(page.getByText("It was asked for. A mail with the link comes when it is ready.")).toBeVisible();
  const list = page.getByRole("list", { name: "What you asked for" });
  await expect(async () => {
    // Where scripts run, the page looks again by itself.
    if (!scripted()) await page.reload();
    await expect(list.getByText("ready", { exact: true })).toBeVisible({ timeout: 1_000 });
  }).toPass({ timeout: 45_000 });
  await expect(page.getByRole("button", { name: "Gather my data" })).toBeVisible();

  // Who is signed out signs in first, and is led there.
  const link = linkIn(await mailTo(account.email, "Your data is ready"));
  keep(stack().folder, new URL(link, stack().url).searchParams.get("token")!);
  await forget(page);
  await page.goto(link);
  await expect(page).toHaveURL(/\/login\?next=/);
  await settled(page);
  await page.getByLabel("E-mail address").fill(account.email);
  await page.getByLabel("Password").fill(account.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page).toHaveURL(link);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Your data is ready");
  const button = page.getByRole("main").getByRole("button", { name: "Download my data" });
  const [file] = await Promise.all([page.waitForEvent("download"), button.click()]);
  expect(file.suggestedFilename()).toBe("kubewise-my-data.zip");
  const files = unzip(readFileSync(await file.path()));
  expect(Object.keys(files).sort()).toEqual(["data.json", "index.html"]);
  const held = JSON.parse(files["data.json"]!) as { tables: { users: { email: string; name: string }[] } };
  expect(held.tables.users).toHaveLength(1);
  expect(held.tables.users[0]).toMatchObject({ email: account.email, name: account.name });
  expect(files["index.html"]).toContain(account.email);
  expect(files["index.html"] + files["data.json"]!, "nothing of others").not.toContain(stack().resident.email);

  expect((await page.goto(link))!.status(), "the link was used").toBe(410);
  await visit(page, "/account/privacy");
  await expect(list.getByText("downloaded", { exact: true })).toBeVisible();
});

test("a person is mailed about policies, or not", async ({ page }) => {
  await signUp(page, someone("Reader"));
  await visit(page, "/account/privacy");
  const agreed = page.getByRole("list", { name: "What you agreed to" }).getByRole("listitem");
  await expect(agreed).toHaveCount(2);
  await expect(agreed.first()).toContainText(/^Privacy policy of 20\d\d-\d\d-\d\dagreed to on 20/);
  const href = (await agreed.first().getByRole("link").getAttribute("href"))!;
  expect((await page.request.get(href)).status()).toBe(200);
  for (const [button, state] of [
    ["Mail me about changes", "you are mailed"],
    ["Mail me no more", "you are not mailed"],
  ] as const) {
    await page.getByRole("button", { name: button }).click();
    await expect(page.getByText("It is set.")).toBeVisible();
    await expect(page.getByText(state, { exact: true })).toBeVisible();
    await visit(page, "/account/privacy");
    await expect(page.getByText(state, { exact: true })).toBeVisible();
  }
  for (const policy of ["privacy", "security", "cookies"]) {
    await expect(page.getByRole("main").getByRole("link", { name: policy, exact: true })).toHaveAttribute("href", `/policies/${policy}`);
  }
});

test("an account is deleted once its organisation is, and of both nothing is left", async ({ page, provoked }) => {
  test.slow();
  provoked.add(401).add(404).add(422);
  const account = someone("Leaver");
  await signUp(page, account);

  // The only Owner hands over or deletes first.
  await visit(page, "/account/privacy");
  const owned = page.getByRole("list", { name: "Organisations that you are the only Owner of" });
  await expect(owned.getByText(account.organisation)).toBeVisible();
  await expect(owned.getByRole("link", { name: `Hand over ${account.organisation}` })).toHaveAttribute("href", `/o/${account.slug}/team`);
  await expect(page.getByRole("button", { name: "Delete my account" })).toHaveCount(0);
  const refused = await page.request.post("/api/delete_account", {
    form: { email: account.email },
    headers: { origin: stack().url, accept: "application/json" },
  });
  expect(refused.status()).toBe(409);
  await owned.getByRole("link", { name: `Delete ${account.organisation}` }).click();
  await page.waitForURL(data(account));
  await settled(page);
  await deleteOrganisation(page, account, /^At once/);
  const organisation = await erased(page);
  expect(organisation).toMatchObject({ deleted: "organisation", left: { objects: 0 } });
  expect(await mailedCertificate(page, account.email, `${account.organisation} is being deleted`)).toEqual(organisation);
  expect((await page.request.get(`/o/${account.slug}/`)).status()).toBe(404);

  await visit(page, "/account/privacy");
  const confirmation = page.getByLabel(`Type ${account.email} to confirm`);
  await confirmation.fill("another@example.com");
  await page.getByRole("button", { name: "Delete my account" }).click();
  await expect(confirmation).toHaveAccessibleDescription(/is not right/);
  await confirmation.fill(account.email);
  await page.getByRole("button", { name: "Delete my account" }).click();
  const person = await erased(page);
  expect(person).toMatchObject({ deleted: "account", left: { objects: 0 } });
  expect(await mailedCertificate(page, account.email, "Your account is being deleted")).toEqual(person);
  const cookies = await page.context().cookies();
  expect(cookies.map((cookie) => cookie.name).filter((name) => name.includes("session"))).toEqual([]);

  // Signed out, unknown, and free to begin anew.
  await page.goto("/account");
  await expect(page).toHaveURL(/\/login/);
  await settled(page);
  await page.getByLabel("E-mail address").fill(account.email);
  await page.getByLabel("Password").fill(account.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByRole("alert").filter({ hasText: "do not match an account" })).toBeVisible();
  await signUp(page, account);
});

test("of a cluster that is deleted there is a certificate", async ({ page, provoked }) => {
  test.slow();
  provoked.add(404);
  const account = someone("Remover");
  await signUp(page, account);
  await visit(page, data(account));
  await expect(page.getByText("None was deleted.")).toBeVisible();
  const { id } = await addCluster(page, account, "eu-gone");
  await visit(page, `/o/${account.slug}/clusters/${id}/settings`);
  await expect(page.getByText("A certificate of it then stands under Settings › Data.")).toBeVisible();
  await page.getByLabel("Type eu-gone to confirm").fill("eu-gone");
  await page.getByRole("button", { name: "Delete the cluster" }).click();
  await expect(page).toHaveURL(`/o/${account.slug}/clusters`);

  const link = page.getByRole("list", { name: "Deleted clusters" }).getByRole("link", { name: /^Certificate of the deletion/ });
  await expect(async () => {
    await visit(page, data(account));
    await expect(link).toBeVisible({ timeout: 1_000 });
  }).toPass({ timeout: 45_000 });
  const address = (await link.getAttribute("href"))!;
  expect(await certified(page, `${address}?download=1`)).toMatchObject({ deleted: "cluster", left: { objects: 0 } });
  await link.click();
  await expect(page).toHaveURL(address);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("A cluster was deleted");

  // Of another organisation it is none.
  const other = someone("Stranger");
  await forget(page);
  await signUp(page, other);
  expect((await page.request.get(address.replace(account.slug, other.slug))).status()).toBe(404);
  expect((await page.request.get(address)).status()).toBe(404);
});

test("an organisation that will be deleted says so on every page, and is kept", async ({ page, provoked }) => {
  provoked.add(422);
  const account = someone("Waverer");
  await signUp(page, account);
  await visit(page, data(account));
  const name = page.getByLabel(`Type ${account.organisation} to confirm`);
  await name.fill(account.organisation.toUpperCase());
  await page.getByRole("button", { name: "Delete the organisation" }).click();
  await expect(name).toHaveAccessibleDescription(/is not right/);
  await deleteOrganisation(page, account, /^In seven days/);
  await expect(page.getByText("It was asked for. Nothing is deleted yet.")).toBeVisible();
  await expect(page.getByText(/It will be deleted \d{4}-\d\d-\d\d/)).toBeVisible();
  await expect(page.getByRole("button", { name: "Delete the organisation" })).toHaveCount(0);

  await visit(page, `/o/${account.slug}/`);
  const mail = await mailTo(account.email, `${account.organisation} will be deleted`);
  expect(mail.text).toMatch(/It will be, on .+ Until\s+then each Owner can take that back/);
  expect(mail.text).toContain(`/o/${account.slug}/settings/data`);
  const told = linkIn(mail);
  keep(stack().folder, new URL(told, stack().url).searchParams.get("token")!);
  const doing = await page.context().newPage();
  expect((await doing.goto(told))!.status()).toBe(200);
  await doing.close();
  const banner = page.getByRole("link", { name: /will be deleted/ });
  await banner.click();
  await page.waitForURL(data(account));
  await settled(page);
  await page.getByRole("button", { name: "Keep the organisation" }).click();
  await expect(page.getByText("The organisation stays.")).toBeVisible();
  await visit(page, `/o/${account.slug}/`);
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
  await expect(banner).toHaveCount(0);

  await visit(page, `/o/${account.slug}/settings/activity?action=organisation`);
  for (const done of ["asked for the organisation to be deleted", "took back that the organisation is deleted"]) {
    await expect(page.getByRole("table").getByText(done)).toBeVisible();
  }
});

test("an Owner takes everything out, and says for how long what was is kept", async ({ page, provoked }) => {
  provoked.add(422);
  const account = someone("Archivist");
  await signUp(page, account);
  await addCluster(page, account, "eu-kept");
  await visit(page, data(account));
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download everything" }).click()]);
  expect(file.suggestedFilename()).toBe(`kubewise-${account.slug}.ndjson`);
  const text = readFileSync(await file.path(), "utf8");
  const lines = text.trim().split("\n").map((line) => JSON.parse(line) as { kind: string; lines?: number });
  expect(lines.map((line) => line.kind)).toEqual(expect.arrayContaining(["organisation", "member", "cluster", "activity"]));
  expect(lines.at(-1)!.kind).toBe("end");
  expect(text).toContain("eu-kept");
  expect(text, "nothing of others").not.toContain("eu-prod");

  const days = page.getByLabel(/^Days, 7 to /);
  await expect(page.getByText(/^Kept for ever\./)).toBeVisible();
  await days.fill("5");
  await page.getByRole("button", { name: "Set", exact: true }).click();
  await expect(days).toHaveAccessibleDescription(/is not a number between 7 and/);
  await days.fill("90");
  await page.getByRole("button", { name: "Set", exact: true }).click();
  await expect(page.getByText("It is set.")).toBeVisible();
  await expect(page.getByText(/^Kept for 90 days\./)).toBeVisible();
  await visit(page, `/o/${account.slug}/settings/activity?action=organisation`);
  await expect(page.getByRole("table").getByText("took all of the organisation's data out")).toBeVisible();
  await expect(page.getByRole("table").getByText("changed for how long findings and audits are kept")).toBeVisible();
});
