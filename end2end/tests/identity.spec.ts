// A person and their own account: proving the address, forgetting and changing the password, being signed in elsewhere.
import type { Page } from "@playwright/test";

import { sql } from "../support/database.ts";
import { linkIn, mailTo } from "../support/mail.ts";
import { expect, forget, scripted, settled, signIn, signUp, someone, test, visit } from "../support/test.ts";

const OTHER = "violet anchor drums quietly";
const ENDED = "This link was used already, or is too old. Ask for a new one.";

async function signInWith(page: Page, email: string, password: string) {
  await visit(page, "/login");
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

test("the address is confirmed by the link in the mail, once", async ({ page, provoked }) => {
  provoked.add(410);
  const account = someone("Verify");
  await signUp(page, account);
  await visit(page, "/account");
  await expect(page.getByText("not confirmed")).toBeVisible();
  const link = linkIn(await mailTo(account.email, "Confirm your e-mail address"));

  await visit(page, link);
  await page.getByRole("button", { name: "Yes, this is my address" }).click();
  await expect(page.getByText("Thank you. The address is confirmed.")).toBeVisible();
  await page.getByRole("link", { name: "Go on" }).click();
  await visit(page, "/account");
  await expect(page.getByText("confirmed", { exact: true })).toBeVisible();
  await expect(page.getByRole("button", { name: "Send the link again" })).toHaveCount(0);

  await visit(page, link);
  await page.getByRole("button", { name: "Yes, this is my address" }).click();
  await expect(page.getByRole("alert").filter({ hasText: ENDED })).toBeVisible();
});

test("a forgotten password is replaced by a link", async ({ page, provoked }) => {
  provoked.add(410).add(401).add(422);
  const account = someone("Reset");
  await signUp(page, account);
  await forget(page);

  await visit(page, "/login");
  await page.getByRole("link", { name: "Forgot your password?" }).click();
  // The page that is left has a field of that name too.
  await expect(page.getByRole("heading", { name: "Choose a new password" })).toBeVisible();
  await settled(page);
  await page.getByLabel("E-mail address").fill(account.email);
  await page.getByRole("button", { name: "Send the link" }).click();
  await expect(page.getByText("If this address has an account, a mail is on its way to it.")).toBeVisible();
  const link = linkIn(await mailTo(account.email, "Choose a new password"));

  await visit(page, link);
  await page.getByLabel("New password").fill("password1234");
  // The field has the focus from the start.
  if (scripted()) await expect(page.getByRole("status")).toContainText("can be guessed too easily");
  await page.getByRole("button", { name: "Use this password" }).click();
  await expect(page.getByLabel("New password")).toHaveAccessibleDescription(/can be guessed too easily/);
  // Without JavaScript the address holds the error too.
  await visit(page, link);
  await page.getByLabel("New password").fill(OTHER);
  await page.getByRole("button", { name: "Use this password" }).click();
  await expect(page).toHaveURL(/\/login\?reset=1/);
  await expect(page.getByText("Your password was changed. Sign in with the new one.")).toBeVisible();
  await mailTo(account.email, "Your password was changed");

  await signInWith(page, account.email, account.password);
  await expect(page.getByRole("alert").filter({ hasText: "do not match an account" })).toBeVisible();
  await signIn(page, { ...account, password: OTHER });

  await visit(page, link);
  await page.getByLabel("New password").fill(account.password);
  await page.getByRole("button", { name: "Use this password" }).click();
  await expect(page.getByRole("alert").filter({ hasText: ENDED })).toBeVisible();
});

test("who asks for an address without an account hears the same", async ({ page }) => {
  await visit(page, "/reset");
  await page.getByLabel("E-mail address").fill("nobody@example.com");
  await page.getByRole("button", { name: "Send the link" }).click();
  await expect(page.getByText("If this address has an account, a mail is on its way to it.")).toBeVisible();
});

test("name, address and password are changed", async ({ page, provoked }) => {
  provoked.add(422);
  const account = someone("Change");
  await signUp(page, account);
  await visit(page, "/account");
  await page.getByLabel("Your name").fill("Jonas P.");
  await page.getByRole("button", { name: "Change the name" }).click();
  await expect(page.getByText("Your name was changed.")).toBeVisible();
  await expect(page.getByLabel("Your name")).toHaveValue("Jonas P.");

  const email = `new-${account.email}`;
  await page.getByLabel("New e-mail address").fill(email);
  await page.getByLabel("Your password").fill("not the password at all");
  await page.getByRole("button", { name: "Change the address" }).click();
  await expect(page.getByLabel("Your password")).toHaveAccessibleDescription(/The current password is not right/);
  await visit(page, "/account");
  await page.getByLabel("New e-mail address").fill(email);
  await page.getByLabel("Your password").fill(account.password);
  await page.getByRole("button", { name: "Change the address" }).click();
  await expect(page.getByText("A mail is on its way to the new address.")).toBeVisible();
  await visit(page, linkIn(await mailTo(email, "Confirm your new e-mail address")));
  await page.getByRole("button", { name: "Yes, this is my address" }).click();
  await expect(page.getByText("Thank you. The address is confirmed.")).toBeVisible();
  expect((await mailTo(account.email, "Your e-mail address was changed")).text).toContain(email);

  await visit(page, "/account/security");
  await page.getByLabel("The password you have").fill(account.password);
  await page.getByLabel("The password you want").fill(OTHER);
  await page.getByRole("button", { name: "Change the password" }).click();
  await expect(page.getByText("Your password was changed, and you were signed out everywhere else.")).toBeVisible();
  await forget(page);
  await signIn(page, { ...account, email, password: OTHER });
});

test("a link that is too old opens nothing", async ({ page, provoked }) => {
  provoked.add(410);
  const account = someone("Old");
  await signUp(page, account);
  const link = linkIn(await mailTo(account.email, "Confirm your e-mail address"));
  sql(`UPDATE account_links SET expires_at = now() WHERE email = '${account.email}'`);
  await visit(page, link);
  await page.getByRole("button", { name: "Yes, this is my address" }).click();
  await expect(page.getByRole("alert").filter({ hasText: ENDED })).toBeVisible();

  await forget(page);
  await visit(page, "/reset");
  await page.getByLabel("E-mail address").fill(account.email);
  await page.getByRole("button", { name: "Send the link" }).click();
  const reset = linkIn(await mailTo(account.email, "Choose a new password"));
  sql(`UPDATE account_links SET expires_at = now() WHERE email = '${account.email}'`);
  await visit(page, reset);
  await page.getByLabel("New password").fill(OTHER);
  await page.getByRole("button", { name: "Use this password" }).click();
  await expect(page.getByRole("alert").filter({ hasText: ENDED })).toBeVisible();
});

test("a session that is not recognised is ended", async ({ page, browser }) => {
  const account = someone("Sessions");
  await signUp(page, account);
  const elsewhere = await browser.newContext({
    baseURL: new URL(page.url()).origin,
    userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    javaScriptEnabled: false,
  });
  const there = await elsewhere.newPage();
  await there.goto("/login");
  await there.getByLabel("E-mail address").fill(account.email);
  await there.getByLabel("Password").fill(account.password);
  await there.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(there.getByRole("heading", { name: "Overview" })).toBeVisible();

  await visit(page, "/account/sessions");
  const rows = page.getByRole("list", { name: "Where you are signed in" }).getByRole("listitem");
  await expect(rows).toHaveCount(2);
  await expect(rows.filter({ hasText: "this one" })).toContainText(/Chrome on Windows/);
  await page.getByRole("button", { name: "Sign out Firefox on Linux" }).click();
  await expect(page.getByText("Signed out there.")).toBeVisible();
  await expect(rows).toHaveCount(1);
  await there.goto("/account");
  await expect(there).toHaveURL(/\/login\?next=/);
  await elsewhere.close();
});
