// The test function of all tests: any error or warning in a browser's console fails the test, whatever else it checks.
import { type BrowserContext, type Page, expect, test as base } from "@playwright/test";

import { sql } from "./database.ts";
import { keep } from "./secrets.ts";
import { type Account, stack } from "./stack.ts";

export { expect };

interface Fixtures {
  /** Statuses that this test provokes on purpose: browsers write a line about each to the console. And more than one
   * line about what cannot be reached. */
  provoked: Set<number | "unreached">;
  /** Watches every page of the context. */
  console: void;
  /** Signed in as the resident: an organisation with one inventoried cluster. */
  resident: Page;
}

export const test = base.extend<Fixtures>({
  baseURL: async ({}, use) => use(stack().url),
  provoked: async ({}, use) => use(new Set()),
  console: [
    async ({ context, provoked }, use) => {
      const told: string[] = [];
      watch(context, told);
      await use();
      keep(stack().folder, ...(await context.cookies()).map((cookie) => cookie.value));
      const unexpected = told.filter((line) => {
        const status = /Failed to load resource: the server responded with a status of (\d+)/.exec(line)?.[1];
        if (provoked.has("unreached") && /net::ERR_FAILED|Failed to fetch/.test(line)) return false;
        return !(status && provoked.has(Number(status)));
      });
      expect(unexpected, "errors and warnings in the console").toEqual([]);
    },
    { auto: true },
  ],
  resident: async ({ page }, use) => {
    await signIn(page, stack().resident);
    await use(page);
  },
});

function watch(context: BrowserContext, told: string[]) {
  context.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) {
      told.push(`${message.type()} at ${message.page()?.url()}: ${message.text()}`);
    }
  });
  context.on("weberror", (error) => told.push(`exception: ${error.error().message}`));
}

/** Whether this project's browser runs scripts. */
export function scripted(): boolean {
  return test.info().project.use.javaScriptEnabled !== false;
}

/** Goes to an address and, where scripts run, waits until the page is taken over: only then are tests about it. */
export async function visit(page: Page, path: string) {
  const response = await page.goto(path);
  await settled(page);
  return response;
}

/** Takes the cookies away, or some of them, when no page is there that would still ask for something with them. */
export async function forget(page: Page, which?: { name: string | RegExp }) {
  await page.goto("about:blank");
  await page.context().clearCookies(which);
}

export async function settled(page: Page) {
  if (scripted()) await page.locator("html[data-hydrated]").waitFor({ state: "attached" });
}

/** An account that nothing else uses; not made yet. */
export function someone(organisation: string): Account {
  const unique = Math.random().toString(36).slice(2, 10);
  const name = `${organisation} ${unique}`;
  const account = {
    name: "Jonas Pohl",
    email: `jonas-${unique}@example.com`,
    password: "harbour lemon quilt thunder",
    organisation: name,
    slug: name.toLowerCase().replaceAll(" ", "-"),
  };
  keep(stack().folder, account.name, account.email, account.password);
  return account;
}

/** Signs up through the page; ends at the organisation's overview. */
export async function signUp(page: Page, account: Account) {
  // All tests together make more accounts from this machine than one network may.
  // As a whole: row by row, this and who is counting just then could wait for each other.
  sql("TRUNCATE attempts");
  await visit(page, "/signup");
  await page.getByLabel("Your name").fill(account.name);
  await page.getByLabel("E-mail address").fill(account.email);
  await page.getByLabel("Organisation").fill(account.organisation);
  await page.getByLabel("Password").fill(account.password);
  await page.getByRole("button", { name: "Create account" }).click();
  await page.waitForURL(`/o/${account.slug}/`);
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
}

/** Signs in through the page; ends at the organisation's overview. */
export async function signIn(page: Page, account: Account) {
  await visit(page, "/login");
  await page.getByLabel("E-mail address").fill(account.email);
  await page.getByLabel("Password").fill(account.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.waitForURL(`/o/${account.slug}/`);
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
}

/** Adds a cluster through the page; answers its id and its token. Ends at the install page. */
export async function addCluster(page: Page, account: Account, name: string) {
  await visit(page, `/o/${account.slug}/clusters/new`);
  await page.getByLabel("Name of the cluster").fill(name);
  await page.getByRole("button", { name: "Add cluster" }).click();
  await page.waitForURL(/\/clusters\/[0-9a-f-]{36}\/install$/);
  await settled(page);
  return { id: page.url().split("/").at(-2)!, token: await shownToken(page) };
}

/** The token on an install page. */
export async function shownToken(page: Page): Promise<string> {
  const command = page.getByRole("group", { name: "Commands that store the token" });
  await expect(command).toContainText("token=kwc_");
  const token = /token=(\S+)/.exec((await command.textContent())!)![1]!;
  keep(stack().folder, token);
  return token;
}

/** The address of the resident's cluster. */
export function residentCluster(): string {
  const { resident } = stack();
  return `/o/${resident.slug}/clusters/${resident.cluster}`;
}

/** Has a cluster audited, once it is inventoried, and waits until what was found is shown. */
export async function audited(page: Page, cluster = residentCluster()) {
  // Another test may be having it audited: as long as that takes, the page offers no other audit.
  await expect(async () => {
    await visit(page, `${cluster}/findings`);
    await page.getByRole("button", { name: /^Run audit/ }).click({ timeout: 5_000 });
  }).toPass({ timeout: 45_000 });
  await expect(async () => {
    // Where scripts run, the page hears of it; elsewhere it is asked again.
    if (!scripted()) await page.reload();
    await expect(page.getByRole("button", { name: /^Run audit/ })).toBeEnabled({ timeout: 1_000 });
    await expect(page.getByRole("table").getByRole("link").first()).toBeVisible({ timeout: 1_000 });
  }).toPass({ timeout: 45_000 });
}

/** The link of a row in the list on the page. */
export function row(page: Page, name: string) {
  return page.getByRole("table").getByRole("link", { name, exact: true });
}
