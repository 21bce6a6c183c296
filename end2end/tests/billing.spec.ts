// Paying: the plan is tried, bought, not paid for, cancelled and taken up again, on Stripe's pages and ours.
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";

import { mailLike } from "../support/mail.ts";
import { type Shop, openShop } from "../support/shop.ts";
import { type Account, stack } from "../support/stack.ts";
import { test as base, expect, scripted, settled, signUp, someone, visit } from "../support/test.ts";

const GOOD = "4242 4242 4242 4242";
/** Is taken at Checkout, and declined whenever it is charged. */
const DECLINED = "4000 0000 0000 0341";

const test = base.extend<{ buyer: Account }, { shop: Shop }>({
  shop: [
    async ({}, use) => {
      const shop = await openShop();
      await use(shop);
      await shop.stop();
    },
    { scope: "worker", timeout: 120_000 },
  ],
  baseURL: async ({ shop }, use) => use(shop.url),
  /** Signed in as the Owner of an organisation that has not paid for anything. */
  buyer: async ({ page }, use) => {
    const account = someone("Buyer");
    await signUp(page, account);
    await use(account);
  },
});

const billing = (account: Account) => `/o/${account.slug}/billing`;
const fact = (page: Page, name: string) => page.locator("dl.facts dt", { hasText: new RegExp(`^${name}$`) }).locator("+ dd");
const notes = (page: Page) => page.locator("main .note");

/** Waits for what Stripe tells in its own time. */
async function soon(page: Page, account: Account, check: () => Promise<void>) {
  await expect(async () => {
    await visit(page, billing(account));
    await check();
  }).toPass({ timeout: 30_000 });
}

/** Goes to Stripe and subscribes; ends on our page, when it shows the plan. */
async function subscribe(page: Page, account: Account, card?: string) {
  await visit(page, billing(account));
  await page.getByRole("link", { name: /^(Try|Choose) the plan Team$/ }).click();
  await expect(page.getByRole("heading", { name: /Checkout/ })).toBeVisible();
  if (card) await page.getByLabel("Card number").fill(card);
  await page.getByRole("button", { name: "Subscribe" }).click();
  await page.waitForURL(`${billing(account)}?done=subscribed`);
  if (scripted()) {
    // Without being asked to.
    await expect(page.getByText("Thank you. The plan Team is yours.")).toBeVisible();
  } else {
    await expect(page.getByText(/Stripe is telling us|The plan Team is yours/)).toBeVisible();
  }
  await soon(page, account, () => expect(fact(page, "Plan")).toHaveText("Team", { timeout: 1_000 }));
}

async function atStripe(page: Page, account: Account, what: () => Promise<void>) {
  await visit(page, billing(account));
  await page.getByRole("link", { name: /^Card, address/ }).click();
  await expect(page.getByRole("heading", { name: /portal/i })).toBeVisible();
  await what();
  await page.getByRole("link", { name: "Return to Kubewise" }).click();
  await page.waitForURL(billing(account));
  await settled(page);
}

async function nothingForAxe(page: Page) {
  if (!scripted()) return;
  for (const width of [1360, 390]) {
    await page.setViewportSize({ width, height: 860 });
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      const { violations } = await new AxeBuilder({ page }).analyze();
      expect(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`)).toEqual([]);
    }
  }
}

test("the plan is tried without a card, and is Free again afterwards, with time to think", async ({ page, buyer, shop }) => {
  await visit(page, billing(buyer));
  await expect(fact(page, "Plan")).toHaveText("Free");
  await expect(fact(page, "Team costs")).toContainText("3.00 EUR for each node and month");
  await expect(fact(page, "Team would cost")).toContainText("3.00 EUR a month for 1 node");
  await nothingForAxe(page);
  await subscribe(page, buyer);
  await expect(fact(page, "State")).toHaveText("trial");
  await expect(page.getByRole("link", { name: /the plan Team$/ })).toHaveCount(0);
  await nothingForAxe(page);
  await shop.pass(15);
  await soon(page, buyer, () => expect(fact(page, "Plan")).toHaveText("Free", { timeout: 1_000 }));
  await expect(notes(page).filter({ hasText: "Nothing is removed." })).toBeVisible();
  expect((await mailLike(buyer.email, /has ended/, shop.folder)).text).toContain(billing(buyer));
  // There is one trial.
  await expect(page.getByRole("link", { name: "Choose the plan Team" })).toBeVisible();
});

test("a payment fails, is told of everywhere, and succeeds with another card", async ({ page, buyer, shop }) => {
  await subscribe(page, buyer, DECLINED);
  await shop.pass(15);
  await soon(page, buyer, () => expect(fact(page, "State")).toHaveText("payment failed", { timeout: 1_000 }));
  await expect(notes(page).filter({ hasText: "A payment failed on" })).toBeVisible();
  const invoices = page.getByRole("region", { name: "Invoices" });
  await expect(invoices.getByText("to be paid")).toBeVisible();
  await nothingForAxe(page);
  await visit(page, `/o/${buyer.slug}/`);
  const banner = page.getByRole("link", { name: "A payment failed" });
  await expect(banner).toBeVisible();
  await banner.click();
  await expect(page).toHaveURL(billing(buyer));
  expect((await mailLike(buyer.email, /^A payment for .* failed$/, shop.folder)).text).toContain(billing(buyer));

  await atStripe(page, buyer, async () => {
    await page.getByLabel("Card number").fill(GOOD);
    await page.getByRole("button", { name: "Save card" }).click();
  });
  await soon(page, buyer, () => expect(fact(page, "State")).toHaveText("active", { timeout: 1_000 }));
  await expect(invoices.getByText("to be paid")).toHaveCount(0);
  await expect(invoices.getByText("paid", { exact: true }).first()).toBeVisible();
  await visit(page, `/o/${buyer.slug}/`);
  await expect(page.getByRole("link", { name: "A payment failed" })).toHaveCount(0);
});

test("the plan is cancelled, taken up again, cancelled for good, and bought anew", async ({ page, buyer, shop }) => {
  test.slow();
  await subscribe(page, buyer, GOOD);
  await shop.pass(15);
  await soon(page, buyer, () => expect(fact(page, "State")).toHaveText("active", { timeout: 1_000 }));
  await expect(fact(page, "Next invoice")).toContainText("3.00 EUR on ");
  const invoice = page.getByRole("region", { name: "Invoices" }).getByRole("link", { name: /^(?!PDF)/ }).first();
  expect(await invoice.getAttribute("href")).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/invoice\//);

  const ending = notes(page).filter({ hasText: "The plan was cancelled, and ends on" });
  await atStripe(page, buyer, () => page.getByRole("button", { name: "Cancel plan" }).click());
  await soon(page, buyer, () => expect(ending).toBeVisible({ timeout: 1_000 }));
  await expect(fact(page, "Plan")).toHaveText("Team");
  await atStripe(page, buyer, () => page.getByRole("button", { name: "Don't cancel plan" }).click());
  await soon(page, buyer, () => expect(ending).toHaveCount(0, { timeout: 1_000 }));

  await atStripe(page, buyer, () => page.getByRole("button", { name: "Cancel plan" }).click());
  await shop.pass(32);
  await soon(page, buyer, () => expect(fact(page, "Plan")).toHaveText("Free", { timeout: 1_000 }));
  await subscribe(page, buyer, GOOD);
  await expect(fact(page, "State")).toHaveText("active");
});

test("who is billed is typed here or at Stripe, and is the same at both", async ({ page, buyer, shop, provoked }) => {
  provoked.add(422);
  await subscribe(page, buyer);
  const field = (name: string) => page.getByLabel(name, { exact: true });
  await visit(page, billing(buyer));
  await expect(field("Billing e-mail")).toHaveValue(buyer.email);
  await field("Billing e-mail").fill("invoices@example.com");
  await field("Street and number").fill("1 rue de la Paix");
  await field("Town").fill("Paris");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("The country")).toBeVisible();
  if (!scripted()) {
    // The page came anew.
    await field("Billing e-mail").fill("invoices@example.com");
    await field("Street and number").fill("1 rue de la Paix");
    await field("Town").fill("Paris");
  }
  await field("Country, in two letters").fill("fr");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("It is kept, and Stripe is told.")).toBeVisible();
  const there = async () => (await shop.state()).customers.find((one) => one.name === buyer.organisation);
  await expect.poll(async () => (await there())?.address?.city).toBe("Paris");
  expect(await there()).toMatchObject({ email: "invoices@example.com", address: { line1: "1 rue de la Paix", country: "FR" } });

  await atStripe(page, buyer, async () => {
    await page.getByLabel("City").fill("Lyon");
    await page.getByRole("button", { name: "Save details" }).click();
  });
  await soon(page, buyer, () => expect(field("Town")).toHaveValue("Lyon", { timeout: 1_000 }));
  await expect(field("Country, in two letters")).toHaveValue("FR");
});

test("at a limit one is told which plan has more, and nothing is lost", async ({ page, buyer, provoked }) => {
  provoked.add(402);
  const add = async (name: string) => {
    await visit(page, `/o/${buyer.slug}/clusters/new`);
    await page.getByLabel("Name of the cluster").fill(name);
    await page.getByRole("button", { name: "Add cluster" }).click();
  };
  for (const name of ["one", "two"]) {
    await add(name);
    await page.waitForURL(/\/install$/);
  }
  await add("three");
  await expect(page.getByRole("alert").filter({ hasText: "The plan Free has at most 2 clusters." })).toBeVisible();
  await subscribe(page, buyer);
  await add("three");
  await page.waitForURL(/\/install$/);
  await visit(page, billing(buyer));
  await expect(page.getByRole("row", { name: /^Clusters 3 no limit/ })).toBeVisible();
});

test("while Stripe is away one is told so, and everything else works", async ({ page, buyer, shop }) => {
  await visit(page, billing(buyer));
  await shop.down(true);
  try {
    await page.getByRole("link", { name: "Try the plan Team" }).click();
    await page.waitForURL(`${billing(buyer)}?failed=stripe`);
    await expect(page.getByRole("alert").filter({ hasText: "Stripe cannot be reached right now." })).toBeVisible();
    await visit(page, `/o/${buyer.slug}/clusters`);
    await expect(page.getByRole("heading", { name: "Clusters", exact: true })).toBeVisible();
  } finally {
    await shop.down(false);
  }
  await subscribe(page, buyer);
});

test("whoever administers the installation sees what Stripe told, and has it looked at again", async ({ page, buyer, shop }) => {
  await subscribe(page, buyer);
  shop.admin("set-administrator", "--email", buyer.email);
  await visit(page, "/admin/billing");
  await expect(page.getByRole("heading", { name: "This installation" })).toBeVisible();
  const told = page.getByRole("region", { name: "What Stripe told" });
  const row = told.getByRole("row").filter({ hasText: buyer.slug }).filter({ hasText: "customer.subscription.created" });
  const lookedAt = () =>
    expect(async () => {
      await visit(page, "/admin/billing");
      await expect(row.getByText("looked at")).toBeVisible({ timeout: 1_000 });
    }).toPass({ timeout: 20_000 });
  await lookedAt();
  await nothingForAxe(page);
  await row.getByRole("button", { name: /^Replay evt_/ }).click();
  await expect(page.getByText("Stripe is asked again.")).toBeVisible();
  await lookedAt();
});

base("where nobody is billed, the page says so", async ({ resident: page }) => {
  await visit(page, `/o/${stack().resident.slug}/billing`);
  await expect(page.getByText("This installation bills nobody")).toBeVisible();
  await expect(page.getByRole("link", { name: /plan Team/ })).toHaveCount(0);
  await expect(page.getByRole("img", { name: /^Nodes of / })).toBeVisible();
  await nothingForAxe(page);
});
