// Pages whose code comes in a file of its own, when somebody goes there.
import type { Page } from "@playwright/test";

import { stack } from "../support/stack.ts";
import { expect, residentCluster, settled, test, visit } from "../support/test.ts";

/** The files with the code of pages, by the name of the chunk. */
const CHUNKS = /\/pkg\/[^/]+\/(split_\w+|chunk_\d+)\.[^/]+\.wasm$/;

/** Notes which of them the page asks for. */
function asked(page: Page) {
  const files: string[] = [];
  page.on("request", (request) => {
    const name = CHUNKS.exec(new URL(request.url()).pathname)?.[1];
    if (name) files.push(name);
  });
  return files;
}

test("a page that comes later is reached by its link and by its address", async ({ resident: page }) => {
  const files = asked(page);
  const org = `/o/${stack().resident.slug}`;
  await visit(page, `${org}/`);
  await page.locator("summary:has(.avatar):visible").click();
  await page.getByRole("link", { name: "Your account" }).click();
  await expect(page).toHaveURL("/account");
  await expect(page.getByRole("heading", { name: "Your account" })).toBeVisible();
  await page.getByRole("link", { name: "Sessions" }).click();
  await expect(page).toHaveURL("/account/sessions");
  await expect(page.getByRole("heading", { name: "Your account" })).toBeVisible();

  await visit(page, "/account/security");
  await expect(page.getByRole("heading", { name: "Your account" })).toBeVisible();
  await expect(page.getByRole("link", { name: "Security" })).toHaveAttribute("aria-current", "page");
  await page.goBack();
  await expect(page.getByRole("link", { name: "Sessions" })).toHaveAttribute("aria-current", "page");
  expect(files.filter((name) => name.startsWith("split_") && name !== "split_account")).toEqual([]);
});

test("what a page needs is one chunk, named in its head and cached for ever", async ({ resident: page }) => {
  const org = `/o/${stack().resident.slug}`;
  const named = async (address: string) => {
    await visit(page, address);
    const files = await page.locator('meta[name="kubewise-chunk"]').evaluateAll((all) => all.map((e) => (e as HTMLMetaElement).content));
    expect(new Set(files).size, address).toBe(files.length);
    return files;
  };
  for (const address of ["/login", `${org}/`, `${org}/clusters`]) {
    expect(await named(address), address).toEqual([]);
  }
  const own = ["", "/organisations", "/security", "/security/codes", "/confirm", "/sessions", "/privacy"].map((tab) => `/account${tab}`);
  const cluster = ["", "/applications", "/findings", "/workloads", "/images", "/vulnerabilities", "/nodes", "/namespaces", "/resources", "/settings"];
  const addresses = [...own, ...cluster.map((tab) => residentCluster() + tab), `${org}/clusters/new`, "/", "/signup", "/reset", "/verify"];
  const whole = ["/vulnerabilities", "/audits", "/audits/waivers", "/audits/policy", "/audits/compare", "/settings", "/settings/tokens", "/settings/tokens/new", "/settings/notifications", "/settings/notifications/new", "/settings/activity", "/settings/data", "/search?q=argo", "/billing", "/team", "/team/invitations", "/team/invite"];
  addresses.push(...whole.map((page) => org + page));
  for (const address of addresses) {
    const files = await named(address);
    expect(files.filter((file) => file.includes("/split_")), address).toHaveLength(1);
    if (address !== "/account") continue;
    for (const file of files) {
      const response = await page.request.get(file, { headers: { "accept-encoding": "br" } });
      expect(response.status(), file).toBe(200);
      expect(response.headers(), file).toMatchObject({
        "cache-control": "public, max-age=31536000, immutable",
        "content-encoding": "br",
        "content-type": "application/wasm",
      });
    }
  }
});

test("@js-on the code of a page is asked for before the rest has come", async ({ resident: page }) => {
  let release = () => {};
  const slow = new Promise<void>((done) => (release = done));
  await page.route(/\/kubewise\.[^/]+\.wasm$/, async (route) => {
    await slow;
    await route.continue();
  });
  const code = page.waitForRequest(/\/split_cluster\.[^/]+\.wasm$/);
  await page.goto(residentCluster());
  await code;
  release();
  await settled(page);
});

test.describe("@js-on when the code of a page cannot be had", () => {
  test.beforeEach(({ provoked }) => void provoked.add("unreached"));

  test("a link is followed by the server", async ({ resident: page }) => {
    await visit(page, `/o/${stack().resident.slug}/clusters`);
    await page.route(CHUNKS, (route) => route.abort());
    const answered = page.waitForResponse((response) => response.url().endsWith(residentCluster()));
    await page.getByRole("table").getByRole("link", { name: "eu-prod", exact: true }).click();
    expect((await answered).status()).toBe(200);
    await expect(page).toHaveURL(residentCluster());
    await expect(page.getByRole("heading", { name: "eu-prod" })).toBeVisible();
    // Not taken over, so links and forms are the browser's own.
    await expect(page.locator("html[data-hydrated]")).toHaveCount(0);
    const tab = (name: string) => page.locator(".tabs").getByRole("link", { name });
    await tab("Images").click();
    await expect(page).toHaveURL(`${residentCluster()}/images`);
    await expect(page.getByRole("table")).toBeVisible();
    // Once it can be had again, all is as ever.
    await page.unroute(CHUNKS);
    await tab("Nodes").click();
    await expect(page).toHaveURL(`${residentCluster()}/nodes`);
    await settled(page);
    await tab("Images").click();
    await expect(page).toHaveURL(`${residentCluster()}/images`);
    await expect(page.locator("html[data-hydrated]")).toBeAttached();
  });

  test("an address is shown, and not asked for again and again", async ({ resident: page }) => {
    await page.route(CHUNKS, (route) => route.abort());
    let documents = 0;
    page.on("request", (request) => void (documents += request.isNavigationRequest() ? 1 : 0));
    const failed = page.waitForEvent("console", (message) => message.type() === "error");
    await page.goto(`${residentCluster()}/workloads#main`);
    await failed;
    await expect(page.getByRole("table")).toBeVisible();
    await page.waitForTimeout(500);
    expect(documents).toBe(1);
  });

  test("and was had a moment ago, the page stays as it is and its links work", async ({ resident: page }) => {
    let times = 0;
    await page.route(/\/split_cluster\.[^/]+\.wasm$/, (route) => (++times === 1 ? route.continue() : route.abort()));
    const failed = page.waitForEvent("console", (message) => message.text().includes("Failed to fetch"));
    await page.goto(`${residentCluster()}/workloads`);
    await failed;
    await page.locator(".tabs").getByRole("link", { name: "Images" }).click();
    await expect(page).toHaveURL(`${residentCluster()}/images`);
    await expect(page.getByRole("table")).toBeVisible();
    await page.goBack();
    await expect(page).toHaveURL(`${residentCluster()}/workloads`);
    await expect(page.getByRole("heading", { name: "eu-prod" })).toBeVisible();
  });

  test("going back to it gets it", async ({ page }) => {
    await visit(page, "/reset");
    await page.getByRole("link", { name: "Back to signing in" }).click();
    await expect(page).toHaveURL("/login");
    // Addresses before this one belong to the same document, which now has less.
    await page.reload();
    await settled(page);
    await page.route(CHUNKS, (route) => route.abort());
    await page.goBack();
    await expect(page).toHaveURL("/reset");
    await expect(page.getByRole("button", { name: "Send the link" })).toBeVisible();
  });

  test("a form that leads to it does", async ({ page }) => {
    const { email, password } = stack().resident;
    await visit(page, "/login?next=%2Faccount");
    await page.route(CHUNKS, (route) => route.abort());
    await page.getByLabel("E-mail address").fill(email);
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await expect(page).toHaveURL("/account");
    await expect(page.getByRole("heading", { name: "Your account" })).toBeVisible();
  });
});
