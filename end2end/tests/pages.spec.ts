// Every page: nothing for axe to find, in light and dark, wide and narrow; headers; keyboard.
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";

import { stack } from "../support/stack.ts";
import { addCluster, audited, expect, residentCluster, scripted, signIn, signUp, someone, test, visit } from "../support/test.ts";

async function inspect(page: Page, path: string) {
  // The documentation and the policies have no script.
  if (/^\/(docs|policies|unsubscribe|erasure)/.test(path)) await page.goto(path);
  else await visit(page, path);
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    const { violations } = await new AxeBuilder({ page }).analyze();
    const told = violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`);
    expect(told, `${path}, ${colorScheme}`).toEqual([]);
  }
}

for (const [form, viewport] of [
  ["wide", { width: 1360, height: 860 }],
  ["narrow", { width: 390, height: 844 }],
] as const) {
  test.describe(`@js-on axe finds nothing, ${form}`, () => {
    test.use({ viewport });

    test("on the pages outside", async ({ page, provoked }) => {
      test.slow();
      provoked.add(404).add(410);
      for (const path of ["/", "/login", "/login?next=%2Fo%2Fx%2F", "/signup", "/reset", "/reset?sent=1", "/reset?token=x", "/verify", "/verify?token=x", "/verify?done=1", "/invite", "/docs", "/docs/roles", "/docs/api", "/docs/rules", "/docs/rules/pss-host-namespaces", "/docs/nodes", "/docs/data-sent", "/policies", "/policies/privacy", "/policies/sub-processors", "/policies/privacy/history", "/policies/privacy/2026-11-28/changes", "/policies/privacy/2026-11-29/changes", "/unsubscribe/policies?token=x", "/erasure?token=x", "/nowhere"]) await inspect(page, path);
    });

    // Each page is looked at in light and dark, which takes seconds: a test for each part, so that none runs out of time.
    test("on the pages of an account", async ({ resident: page }) => {
      test.slow();
      for (const path of [
        "/",
        "/account",
        "/account?done=name",
        "/account/security",
        "/account/security?needed=1",
        "/account/security/codes",
        "/account/confirm",
        "/account/sessions",
        "/account/organisations",
        "/account/privacy",
      ]) {
        await inspect(page, path);
      }
    });

    test("on the pages of an organisation", async ({ resident: page, provoked }) => {
      test.slow();
      provoked.add(404);
      const org = `/o/${stack().resident.slug}`;
      for (const path of [
        `${org}/team`,
        `${org}/team/invitations`,
        `${org}/team/invite`,
        `${org}/settings`,
        `${org}/settings/tokens`,
        `${org}/settings/tokens/new`,
        `${org}/settings/notifications`,
        `${org}/settings/notifications/new`,
        `${org}/settings/activity`,
        `${org}/settings/data`,
        `${org}/`,
        `${org}/clusters`,
        `${org}/clusters?q=none`,
        `${org}/clusters/new`,
        `${org}/search`,
        `${org}/search?q=argo`,
        `${org}/search?q=nothing-like-this`,
        "/o/nobody-has-this/",
      ]) {
        await inspect(page, path);
      }
    });

    test("on the pages of audits", async ({ resident: page }) => {
      test.slow();
      const org = `/o/${stack().resident.slug}`;
      const cluster = residentCluster();
      await audited(page);
      const finding = (await page.locator("a.row-link").first().getAttribute("href"))!;
      for (const path of [
        `${org}/audits`,
        `${org}/audits/schedules`,
        `${org}/audits/waivers`,
        `${org}/audits/waivers?shown=ended`,
        `${org}/audits/waivers/new`,
        `${org}/audits/policy`,
        `${org}/audits/compare`,
        `${org}/audits/compare?a=${stack().resident.cluster}&b=${stack().resident.cluster}`,
        `${cluster}/findings`,
        `${cluster}/findings?state=fixed`,
        finding,
      ]) {
        await inspect(page, path);
      }
    });

    test("on the pages of a cluster", async ({ resident: page }) => {
      test.slow();
      const cluster = residentCluster();
      await visit(page, `${cluster}/workloads`);
      const object = (await page.locator("a.row-link").first().getAttribute("href"))!;
      for (const path of [
        cluster,
        ...["applications", "workloads?namespace=argocd", "images", "vulnerabilities", "vulnerabilities?image=php:7.4-apache", "nodes", "namespaces", "resources", "settings", "install"].map(
          (tab) => `${cluster}/${tab}`,
        ),
        object,
      ]) {
        await inspect(page, path);
      }
    });

    test("on a new organisation, a waiting cluster and a wrong form", async ({ page, provoked }) => {
      provoked.add(422);
      const account = someone("Axe");
      await signUp(page, account);
      await inspect(page, `/o/${account.slug}/`);
      await inspect(page, `/o/${account.slug}/clusters`);
      const { id } = await addCluster(page, account, "waiting");
      await inspect(page, `/o/${account.slug}/clusters/${id}`);
      await inspect(page, `/o/${account.slug}/clusters/${id}/install`);
      await visit(page, `/o/${account.slug}/clusters/new`);
      await page.getByLabel("Name of the cluster").fill("Wrong Name");
      await page.getByRole("button", { name: "Add cluster" }).click();
      await expect(page.getByLabel("Name of the cluster")).toHaveAttribute("aria-invalid", "true");
      const { violations } = await new AxeBuilder({ page }).analyze();
      expect(violations.map((v) => v.id)).toEqual([]);
    });
  });
}

test("pages forbid what they do not need, and are not kept", async ({ request }) => {
  const response = await request.get("/login");
  const policy = response.headers()["content-security-policy"]!;
  expect(policy).toContain("default-src 'none'");
  expect(policy).toMatch(/script-src 'nonce-[\w+/=-]{16,}' 'strict-dynamic' 'wasm-unsafe-eval'/);
  expect(policy).not.toContain("unsafe-inline");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(response.headers()["cache-control"]).toBe("no-store");
  const again = (await request.get("/login")).headers()["content-security-policy"];
  expect(again, "each answer has a nonce of its own").not.toBe(policy);
  expect(await response.text(), "no inline style").not.toMatch(/<[^>]+\sstyle=/);
});

test("an address that leads nowhere says so", async ({ page, provoked }) => {
  provoked.add(404);
  const response = await visit(page, "/nowhere");
  expect(response!.status()).toBe(404);
  await expect(page.getByRole("heading", { name: "Nothing here" })).toBeVisible();
});

test("nothing is wider than a phone", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await signIn(page, stack().resident);
  const cluster = residentCluster();
  const org = `/o/${stack().resident.slug}`;
  const tabs = ["", "/applications", "/workloads", "/images", "/vulnerabilities", "/vulnerabilities?image=php:7.4-apache", "/nodes", "/namespaces", "/resources", "/settings", "/install"];
  for (const path of ["/", "/account", "/account/security", "/account/security/codes", "/account/confirm", "/account/sessions", "/account/organisations", "/account/privacy", "/docs/roles", "/docs/api", "/policies", "/policies/privacy", "/policies/cookies", "/reset", ...["team", "team/invite", "team/invitations", "settings", "settings/tokens", "settings/tokens/new", "settings/notifications", "settings/notifications/new", "settings/activity", "settings/data", "audits/waivers", "audits/waivers/new", "audits/policy"].map((tab) => `${org}/${tab}`), `${org}/`, `${org}/clusters`, `${org}/search?q=argo`, `${org}/vulnerabilities?q=CVE-2023-45853`, ...tabs.map((tab) => cluster + tab)]) {
    if (/^\/(docs|policies)/.test(path)) await page.goto(path);
    else await visit(page, path);
    await expect.poll(() => page.locator("html").evaluate((html) => html.scrollWidth - html.clientWidth), path).toBeLessThanOrEqual(0);
  }
});

test("an organisation with a long name is no wider than a phone", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  const account = someone("Long");
  await visit(page, "/signup");
  await page.getByLabel("Your name").fill(account.name);
  await page.getByLabel("E-mail address").fill(account.email);
  await page.getByLabel("Organisation").fill("Cooperative for Platforms and Reliability of Upper Franconia");
  await page.getByLabel("Password").fill(account.password);
  await page.getByRole("button", { name: "Create account" }).click();
  // The address has the beginning of it.
  await page.waitForURL(/\/o\/cooperative-[^/]+\/$/);
  const org = new URL(page.url()).pathname.replace(/\/$/, "");
  for (const path of ["/account", "/account/privacy", `${org}/`, `${org}/team`, `${org}/settings`, `${org}/settings/data`]) {
    await visit(page, path);
    await expect.poll(() => page.locator("html").evaluate((html) => html.scrollWidth - html.clientWidth), path).toBeLessThanOrEqual(0);
  }
});

test("@js-on the keyboard reaches the search, the content and the menus", async ({ resident: page }) => {
  expect(scripted()).toBe(true);
  const field = page.getByRole("searchbox", { name: "Search all clusters" });
  await page.keyboard.press("/");
  await expect(field).toBeFocused();
  await field.blur();
  await page.keyboard.press("Control+k");
  await expect(field).toBeFocused();

  await visit(page, `/o/${stack().resident.slug}/`);
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to content" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.locator("#main")).toBeFocused();
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Add cluster" })).toBeFocused();

  const menu = page.locator("details.menu.foot");
  await menu.locator("summary").press("Enter");
  await expect(menu).toHaveAttribute("open", "");
  await page.keyboard.press("Escape");
  await expect(menu).not.toHaveAttribute("open", "");

  // Following a link moves the keyboard into the new page.
  await page.getByRole("table").getByRole("link", { name: "eu-prod" }).press("Enter");
  await expect(page.getByRole("heading", { name: "eu-prod" })).toBeVisible();
  await expect(page.locator("#main")).toBeFocused();
});
