// The policies: anybody reads them and what changed; whoever makes an account is told that they agree to them; who asked for
// mail about changes gets one, and ends such mails by one button or one POST.
import { request } from "@playwright/test";

import { sql } from "../support/database.ts";
import { linkIn, mailTo } from "../support/mail.ts";
import { keep } from "../support/secrets.ts";
import { type Account, admin, stack } from "../support/stack.ts";
import { expect, forget, signUp, someone, test, visit } from "../support/test.ts";

interface Published {
  policy: string;
  version: string;
  significant: boolean;
  mailed: number;
}

const SUBJECT = "Privacy policy: a new version";

/** Has somebody told of changes, as if they had asked for it before any version was published. */
function subscribe(account: Account) {
  sql(`INSERT INTO policy_subscriptions SELECT id, sha256(id::text::bytea), '2020-01-01' FROM users WHERE email_canonical = '${account.email}'`);
}

test("the policies are read, with their versions and what is different", async ({ page }) => {
  await visit(page, "/");
  await page.getByRole("main").getByRole("link", { name: "Policies" }).click();
  await expect(page).toHaveTitle("Policies · Kubewise");
  for (const name of ["Privacy policy", "Security policy", "Sub-processors", "Cookies"]) {
    await page.goto("/policies");
    await page.getByRole("main").getByRole("link", { name, exact: true }).click();
    await expect(page.getByRole("heading", { level: 1 })).toHaveText(name);
    await expect(page.getByText(/2[89] November 2026/).first()).toBeVisible();
    await expect(page.getByRole("link", { name: "kubewise@northwind.example" }).first()).toHaveAttribute("href", "mailto:kubewise@northwind.example");
  }
  await page.getByRole("link", { name: "All versions" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Cookies: all versions");
  await expect(page.getByText("significant", { exact: true }).first()).toBeVisible();
  await page.getByRole("link", { name: "28 November 2026" }).click();
  await expect(page).toHaveURL(/\/policies\/cookies\/2026-11-28$/);
  await page.goto("/policies/cookies/2026-11-28/changes");
  await expect(page.getByText("It is the first version.")).toBeVisible();
  await page.goto("/policies/privacy/2026-11-29/changes");
  await expect(page.locator("ins").getByText("proven addresses before this one")).toBeVisible();
  expect((await page.request.get("/policies/cookies/2020-01-01")).status()).toBe(404);
});

test("what is said of cookies is so", async ({ page }) => {
  await page.goto("/policies/cookies");
  expect(await page.context().cookies(), "who reads is given none").toEqual([]);
  await signUp(page, someone("Cookies"));
  const names = (await page.context().cookies()).map((cookie) => cookie.name);
  await page.goto("/policies/cookies");
  for (const name of names) await expect(page.getByText(name, { exact: true }).first(), name).toBeVisible();
});

test("the sub-processors say what this installation uses", async ({ page }) => {
  await page.goto("/policies/sub-processors");
  await expect(page.getByText("Stripe is not used.")).toBeVisible();
  await expect(page.getByText(/issuer: .+ is used: people can sign in through it/)).toBeVisible();
});

test("whoever makes an account is told what they agree to", async ({ page }) => {
  await visit(page, "/signup");
  await expect(page.getByText("By making an account you agree to the privacy policy and the security policy as they are today.")).toBeVisible();
  await page.getByRole("link", { name: "privacy policy" }).click();
  await expect(page).toHaveURL(/\/policies\/privacy$/);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Privacy policy");
});

test("a new version is mailed once to who asked for it, and the mail ends such mails", async ({ page, provoked }) => {
  provoked.add(410);
  const [one, other] = [someone("Asked"), someone("Asked too")];
  await signUp(page, one);
  await forget(page);
  await signUp(page, other);
  for (const account of [one, other]) subscribe(account);
  const published = admin<Published>("publish-policy", "--policy", "privacy", "--version", "2026-11-29");
  expect(published).toMatchObject({ policy: "privacy", version: "2026-11-29", significant: true });

  // By the link in the text: it asks first.
  const mail = await mailTo(one.email, SUBJECT);
  expect(mail.text).toContain(`${stack().url}/policies/privacy/2026-11-29/changes`);
  const link = linkIn(mail);
  keep(stack().folder, new URL(link, stack().url).searchParams.get("token")!);
  await forget(page);
  await page.goto(link);
  await page.getByRole("button", { name: "End these mails" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("It has ended");
  await page.goto(link);
  await page.getByRole("button", { name: "End these mails" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("This address ends nothing");

  // By the mail program: one POST, without a session and from nowhere.
  const { unsubscribe } = await mailTo(other.email, SUBJECT);
  expect(unsubscribe).toContain("/unsubscribe/policies?token=");
  keep(stack().folder, new URL(unsubscribe!).searchParams.get("token")!);
  const program = await request.newContext();
  const post = () => program.post(unsubscribe!, { form: { "List-Unsubscribe": "One-Click" } });
  expect((await post()).status()).toBe(200);
  expect((await post()).status()).toBe(410);
  await program.dispose();
});
