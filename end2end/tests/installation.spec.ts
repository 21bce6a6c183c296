// Whoever administers the installation, and the documentation that it serves.
import AxeBuilder from "@axe-core/playwright";

import { sql } from "../support/database.ts";
import { stack } from "../support/stack.ts";
import { expect, scripted, settled, signIn, signUp, someone, test, visit } from "../support/test.ts";

test("an administrator sees organisations, accounts and jobs, and disables an account", async ({ page, browser, provoked }) => {
  provoked.add(403).add(404);
  const administrator = someone("Root");
  await signUp(page, administrator);
  await page.goto("/admin");
  await settled(page);
  await expect(page.getByRole("heading", { name: "Nothing here" })).toBeVisible();

  sql(`UPDATE users SET is_administrator = true WHERE email_canonical = '${administrator.email}'`);
  const context = await browser.newContext({ baseURL: stack().url, javaScriptEnabled: scripted() });
  const theirs = await context.newPage();
  const other = someone("Tenant");
  await signUp(theirs, other);

  await visit(page, "/account");
  await page.getByRole("link", { name: "This installation" }).click();
  await page.waitForURL("/admin");
  await settled(page);
  await visit(page, `/admin?q=${encodeURIComponent(other.organisation)}`);
  await expect(page.getByRole("cell", { name: other.slug })).toBeVisible();
  // Their organisation is not the administrator's for that.
  const answer = await page.request.get(`/o/${other.slug}/`, { headers: { accept: "text/html" } });
  expect(answer.status()).toBe(404);

  await visit(page, "/admin/jobs");
  await expect(page.getByRole("cell", { name: "mail" }).first()).toBeVisible();
  await expect(page.getByRole("heading", { name: "No job is dead" })).toBeVisible();
  if (scripted()) {
    for (const path of ["/admin", "/admin/accounts", "/admin/jobs", "/admin/billing"]) {
      await visit(page, path);
      const { violations } = await new AxeBuilder({ page }).analyze();
      expect(violations.map((v) => v.id), path).toEqual([]);
    }
  }

  await visit(page, `/admin/accounts?q=${encodeURIComponent(other.email)}`);
  await page.getByRole("button", { name: `Disable ${other.email}` }).click();
  await expect(page.getByText("It is changed.")).toBeVisible();
  await theirs.goto(`/o/${other.slug}/`);
  await expect(theirs).toHaveURL(/\/login/);
  await settled(theirs);
  await theirs.getByLabel("E-mail address").fill(other.email);
  await theirs.getByLabel("Password").fill(other.password);
  await theirs.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(theirs.getByRole("alert").filter({ hasText: "This account was disabled" })).toBeVisible();

  await visit(page, `/admin/accounts?q=${encodeURIComponent(other.email)}`);
  await page.getByRole("button", { name: `Let ${other.email} in again` }).click();
  await expect(page.getByText("It is changed.")).toBeVisible();
  await signIn(theirs, other);
  await context.close();
});

test("the documentation is served, with every route of the API", async ({ page }) => {
  await page.goto("/docs");
  await page.getByRole("link", { name: "Roles and permissions" }).click();
  await expect(page.getByRole("row", { name: /manage_team/ })).toContainText("yes");
  await page.goto("/docs/api#forbidden");
  await expect(page.getByRole("heading", { name: "forbidden", exact: true })).toBeInViewport();
  const described = (await (await page.request.get("/v1/openapi.json")).json()) as { paths: Record<string, object> };
  for (const path of Object.keys(described.paths)) {
    await expect(page.getByRole("heading", { name: new RegExp(` ${path.replaceAll(/[{}]/g, "\\$&")}$`) }).first(), path).toBeVisible();
  }
});

test("every rule of the audits has a page", async ({ page }) => {
  await page.goto("/docs/rules");
  await page.getByRole("link", { name: "pss-host-namespaces", exact: true }).click();
  await expect(page).toHaveTitle("Pod shares the host's namespaces (pss-host-namespaces) · Kubewise");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Pod shares the host's namespaces");
  expect((await page.request.get("/docs/rules/none")).status()).toBe(404);
});
