// A person switches two-step sign-in on, signs in with it, loses the phone, and an organisation asks for it.
import type { Page } from "@playwright/test";

import { App } from "../support/authenticator.ts";
import { sql } from "../support/database.ts";
import { mailTo } from "../support/mail.ts";
import { keep } from "../support/secrets.ts";
import { type Account, stack } from "../support/stack.ts";
import { expect, forget, scripted, settled, signUp, someone, test, visit } from "../support/test.ts";

const WRONG = /The code is not right, or was used already/;

async function givePassword(page: Page, account: Account) {
  await visit(page, "/login");
  await page.getByLabel("E-mail address").fill(account.email);
  await page.getByLabel("Password").fill(account.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

/** Gives the password, and waits for the page that asks for more. */
async function firstStep(page: Page, account: Account) {
  await givePassword(page, account);
  await expect(page.getByRole("heading", { name: "One more step" })).toBeVisible();
  await settled(page);
}

async function enter(page: Page, code: string) {
  await page.getByLabel(/^(Code|Recovery code)$/).fill(code);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

/** Sets an app up; answers it and the recovery codes. Ends at the security page. */
async function setUp(page: Page): Promise<[App, string[]]> {
  await visit(page, "/account/security");
  await page.getByRole("button", { name: "Set up an authenticator app" }).click();
  await expect(page.getByRole("img", { name: "QR code for your authenticator app" })).toBeVisible();
  await settled(page);
  const key = await page.getByRole("group", { name: "Key for the authenticator app" }).innerText();
  const app = new App(key.trim());
  keep(stack().folder, key.trim());
  await page.getByLabel("Code", { exact: true }).fill("000000");
  await page.getByRole("button", { name: "Switch it on" }).click();
  await expect(page.getByLabel("Code", { exact: true })).toHaveAccessibleDescription(WRONG);
  await page.getByLabel("Code", { exact: true }).fill(await app.code());
  await page.getByRole("button", { name: "Switch it on" }).click();
  await expect(page.getByText("They are shown this once.")).toBeVisible();
  await settled(page);
  const codes = (await page.getByRole("group", { name: "Recovery codes" }).innerText()).trim().split(/\s+/);
  expect(codes).toHaveLength(10);
  keep(stack().folder, ...codes);
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download" }).click();
  const file = await (await download).createReadStream();
  let text = "";
  for await (const chunk of file) text += String(chunk);
  for (const code of codes) expect(text).toContain(code);
  await page.getByRole("link", { name: "I have kept them" }).click();
  await expect(page.getByText("10 codes left")).toBeVisible();
  return [app, codes];
}

test("signing in asks for a code of the app, and takes each once", async ({ page, provoked }) => {
  provoked.add(422);
  const account = someone("Second");
  await signUp(page, account);
  const [app] = await setUp(page);
  await mailTo(account.email, "Two-step sign-in was switched on");
  // What was shown once is not shown again.
  await visit(page, "/account/security/codes");
  await expect(page.getByText("Your recovery codes were shown already")).toBeVisible();

  await forget(page);
  await firstStep(page, account);
  // The password alone opens nothing.
  await visit(page, "/account");
  await expect(page).toHaveURL(/\/login\?next=/);
  await firstStep(page, account);
  await enter(page, app.lastCode());
  await expect(page.getByLabel("Code", { exact: true })).toHaveAccessibleDescription(WRONG);
  await enter(page, await app.code());
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();

  // Asked for by a page, one is led back to it.
  await forget(page);
  await visit(page, "/account/sessions");
  await expect(page).toHaveURL(/\/login\?next=/);
  await settled(page);
  await page.getByLabel("E-mail address").fill(account.email);
  await page.getByLabel("Password").fill(account.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByRole("heading", { name: "One more step" })).toBeVisible();
  await settled(page);
  await enter(page, await app.code());
  await expect(page.getByRole("list", { name: "Where you are signed in" })).toBeVisible();
});

test("a lost phone is replaced by a recovery code, once", async ({ page, provoked }) => {
  provoked.add(422);
  const account = someone("Lost");
  await signUp(page, account);
  const [, codes] = await setUp(page);
  await forget(page);
  await firstStep(page, account);
  await enter(page, codes[0]!);
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
  await mailTo(account.email, "A recovery code was used");
  await forget(page);
  await firstStep(page, account);
  await enter(page, codes[0]!);
  await expect(page.getByLabel("Code", { exact: true })).toHaveAccessibleDescription(WRONG);
  await enter(page, codes[1]!);
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();

  // New codes, and no app any more.
  await visit(page, "/account/security");
  await expect(page.getByText("8 codes left")).toBeVisible();
  await page.getByRole("button", { name: "Make new codes" }).click();
  await expect(page.getByText("They are shown this once.")).toBeVisible();
  await visit(page, "/account/security");
  await page.getByRole("button", { name: "Remove the app" }).click();
  await expect(page.getByText("The app was removed.")).toBeVisible();
  await expect(page.getByText("codes left")).toHaveCount(0);
  await forget(page);
  await givePassword(page, account);
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
});

test("what a borrowed session must not do asks again who it is", async ({ page, provoked }) => {
  provoked.add(403).add(422);
  const account = someone("Fresh");
  await signUp(page, account);
  // Ten minutes pass.
  sql(`UPDATE sessions SET data = jsonb_set(data, '{proven_at}', '0')
       WHERE user_id = (SELECT id FROM users WHERE email = '${account.email}')`);
  await visit(page, "/account/security");
  await page.getByRole("button", { name: "Set up an authenticator app" }).click();
  await expect(page.getByRole("heading", { name: "Confirm that it is you" })).toBeVisible();
  await settled(page);
  await page.getByLabel("Your password").fill("not the password");
  await page.getByRole("button", { name: "Confirm" }).click();
  await expect(page.getByLabel("Your password")).toHaveAccessibleDescription(/is not right/);
  await page.getByLabel("Your password").fill(account.password);
  await page.getByRole("button", { name: "Confirm" }).click();
  await expect(page).toHaveURL(/\/account\/security$/);
  await settled(page);
  await page.getByRole("button", { name: "Set up an authenticator app" }).click();
  await expect(page.getByRole("img", { name: "QR code for your authenticator app" })).toBeVisible();
});

test("a session cookie that was stolen is worth nothing after signing out", async ({ page, browser }) => {
  const account = someone("Stolen");
  await signUp(page, account);
  const stolen = await page.context().cookies();
  const elsewhere = await browser.newContext({ baseURL: new URL(page.url()).origin, javaScriptEnabled: scripted() });
  await elsewhere.addCookies(stolen);
  const thief = await elsewhere.newPage();
  await thief.goto("/account");
  await expect(thief.getByRole("heading", { name: "Your account" })).toBeVisible();

  await page.locator("details.menu.foot summary").click();
  await page.locator("details.menu.foot").getByRole("button", { name: "Sign out" }).click();
  await expect(page).toHaveURL("/");
  await thief.goto("/account");
  await expect(thief).toHaveURL(/\/login\?next=/);
  await elsewhere.close();
});

test("an organisation asks all its members for it", async ({ page, provoked }) => {
  provoked.add(403).add(422);
  const account = someone("Asking");
  await signUp(page, account);
  await page.getByRole("navigation", { name: "Main", exact: true }).getByRole("link", { name: "Settings" }).click();
  await expect(page.getByRole("heading", { name: "Settings" })).toBeVisible();
  await settled(page);
  await expect(page.getByText("0 of 1 member have it.")).toBeVisible();
  // Who has none would shut themselves out: they are led to set it up.
  await page.getByRole("button", { name: "Ask all members for it" }).click();
  await expect(page.getByText("An organisation of yours shows itself only to members with two-step sign-in.")).toBeVisible();
  await setUp(page);
  await visit(page, `/o/${account.slug}/settings`);
  await page.getByRole("button", { name: "Ask all members for it" }).click();
  await expect(page.getByText("It is set.")).toBeVisible();
  await expect(page.getByText("asked for", { exact: true })).toBeVisible();

  // Without it the organisation is not to be seen.
  await visit(page, "/account/security");
  await page.getByRole("button", { name: "Remove the app" }).click();
  await expect(page.getByText("The app was removed.")).toBeVisible();
  await visit(page, `/o/${account.slug}/clusters`);
  await expect(page).toHaveURL(/\/account\/security\?needed=1$/);
});
