// Signing in through an OpenID Connect issuer: a real one, whose pages the browser goes through.
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";

import { linkIn, mailTo } from "../support/mail.ts";
import { TAMPERED, agree, signInThere, withoutFonts } from "../support/oidc.ts";
import { expect, forget, scripted, settled, signIn, signUp, someone, test, visit } from "../support/test.ts";

const PASSWORD = "violet anchor drums quietly";

test.beforeEach(({ page }) => withoutFonts(page));

const theWay = (page: Page) => page.getByRole("link", { name: "Continue with localhost" });

/** Makes an account through the issuer; ends at the organisation's overview. */
async function come(page: Page, email: string) {
  await visit(page, "/signup");
  await theWay(page).click();
  await signInThere(page, email);
  await agree(page);
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
  await settled(page);
}

async function nothingForAxe(page: Page) {
  // It is a script itself.
  if (!scripted()) return;
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`)).toEqual([]);
  }
}

test("an account is made, and signed in to again with nothing to type", async ({ page }) => {
  const { email } = someone("Issuer");
  await come(page, email);
  await visit(page, "/account");
  await expect(page.getByLabel("Your name")).toHaveValue("Jonas Pohl");
  await expect(page.getByText(email)).toBeVisible();
  await expect(page.getByText("confirmed", { exact: true })).toBeVisible();

  // Signed out here, but not there.
  await forget(page, { name: "kubewise" });
  await visit(page, "/account/sessions");
  await expect(page).toHaveURL(/\/login\?next=/);
  await theWay(page).click();
  await expect(page).toHaveURL(/\/account\/sessions$/);
  await expect(page.getByText("this one")).toBeVisible();
});

test("a password is set, and the issuer unlinked", async ({ page, provoked }) => {
  provoked.add(409);
  const { email, name, organisation } = someone("Unlink");
  await come(page, email);
  await visit(page, "/account/security");
  await page.getByRole("button", { name: "Unlink localhost" }).click();
  await expect(page.getByRole("alert").filter({ hasText: "Set a password first" })).toBeVisible();

  await visit(page, "/account/security");
  await page.getByLabel("The password you want").fill(PASSWORD);
  await page.getByRole("button", { name: "Set a password" }).click();
  await expect(page.getByText("Your password was changed, and you were signed out everywhere else.")).toBeVisible();
  await mailTo(email, "Your password was changed");
  await page.getByRole("button", { name: "Unlink localhost" }).click();
  await expect(page.getByText("Unlinked: it signs you in no more.")).toBeVisible();
  await expect(page.getByRole("link", { name: "Link localhost" })).toBeVisible();
  await mailTo(email, "A way to sign in was unlinked");

  await forget(page, { name: "kubewise" });
  await visit(page, "/login?next=%2Faccount");
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Your account" })).toBeVisible();
  expect(name && organisation).toBeTruthy();
});

test("an account with a password is linked, and signed in to by it", async ({ page }) => {
  const account = someone("Linked");
  await signUp(page, account);
  await visit(page, "/account/security");
  await page.getByRole("link", { name: "Link localhost" }).click();
  await signInThere(page, `at-${account.email}`);
  await agree(page);
  await expect(page.getByText("Linked: it signs you in from now on.")).toBeVisible();
  await expect(page.getByText(`at-${account.email}`)).toBeVisible();
  await mailTo(account.email, "Another way to sign in was linked");
  await settled(page);
  await nothingForAxe(page);

  await forget(page, { name: "kubewise" });
  await visit(page, "/login");
  await theWay(page).click();
  await page.waitForURL(`/o/${account.slug}/`);
});

test("an address alone opens no account", async ({ page }) => {
  const account = someone("Same");
  await signUp(page, account);
  await forget(page);
  await visit(page, "/login");
  await theWay(page).click();
  await signInThere(page, account.email);
  await agree(page);
  await expect(page.getByRole("alert").filter({ hasText: "There is an account with this address already." })).toBeVisible();
  await settled(page);
  await nothingForAxe(page);

  // Once it is proven here too, it does.
  await visit(page, linkIn(await mailTo(account.email, "Confirm your e-mail address")));
  await page.getByRole("button", { name: "Yes, this is my address" }).click();
  await expect(page.getByText("Thank you. The address is confirmed.")).toBeVisible();
  await visit(page, "/login");
  await theWay(page).click();
  await page.waitForURL(`/o/${account.slug}/`);

  await forget(page);
  await visit(page, "/login");
  await theWay(page).click();
  await signInThere(page, `unproven-${account.email}`);
  await agree(page);
  await expect(page.getByRole("alert").filter({ hasText: "does not say that the e-mail address is yours" })).toBeVisible();
});

test("who does not agree there is told so, and may sign in otherwise", async ({ page }) => {
  const account = someone("Cancel");
  await signUp(page, account);
  await forget(page);
  await visit(page, "/login");
  await theWay(page).click();
  await signInThere(page, account.email);
  await page.getByRole("link", { name: "[ Cancel ]" }).click();
  await expect(page.getByRole("alert").filter({ hasText: "You did not agree there, so nothing was done." })).toBeVisible();
  await signIn(page, account);
});

test("a tampered answer opens nothing", async ({ page }) => {
  const { email } = someone("Tampered");
  // The issuer sends back what it was given: another state than the session knows.
  const there = await page.request.get("/login/google", { maxRedirects: 0 });
  await page.goto(there.headers()["location"]!.replace("state=", "state=x"));
  await signInThere(page, email);
  await agree(page);
  await expect(page.getByRole("alert").filter({ hasText: "cannot be used, or came too late" })).toBeVisible();
  await visit(page, "/account");
  await expect(page).toHaveURL(/\/login\?next=/);
});

test("an ID token that proves nothing opens nothing", async ({ page }) => {
  test.slow();
  for (const how of TAMPERED) {
    await forget(page);
    await visit(page, "/signup");
    await theWay(page).click();
    await signInThere(page, `tampered-${how}-${someone("Token").email}`);
    await agree(page);
    await expect(page.getByRole("alert").filter({ hasText: "cannot be used, or came too late" }), how).toBeVisible();
    await visit(page, "/account");
    await expect(page, how).toHaveURL(/\/login\?next=/);
  }
});

test("who has no password confirms there that it is them", async ({ page }) => {
  const { email } = someone("Confirm");
  await come(page, email);
  await visit(page, "/account/confirm?next=%2Faccount%2Fsessions");
  await nothingForAxe(page);
  await page.getByRole("link", { name: "Confirm with localhost" }).click();
  // They are asked there although they are signed in there.
  await signInThere(page, email);
  await expect(page).toHaveURL(/\/account\/sessions$/);
  await expect(page.getByText("this one")).toBeVisible();

  // Somebody else is signed in there.
  await forget(page, { name: /^_/ });
  await visit(page, "/account/confirm?next=%2Faccount%2Fsessions");
  await page.getByRole("link", { name: "Confirm with localhost" }).click();
  await signInThere(page, `other-${email}`);
  await agree(page);
  await expect(page.getByRole("alert").filter({ hasText: "not the identity that is linked" })).toBeVisible();
});
