// Managing a cluster: rename, make a new token, revoke it, delete.
import { sampleCluster, stack, startAgent } from "../support/stack.ts";
import { addCluster, expect, scripted, settled, shownToken, signUp, someone, test, visit } from "../support/test.ts";

const answers = (token: string) =>
  fetch(`${stack().url}/ingest/v1/sync`, { method: "POST", headers: { authorization: `Bearer ${token}` } });

test("a cluster is renamed, its token changed and ended, and it is deleted", async ({ page, provoked }) => {
  // The page that is left may ask once more, and is refused.
  provoked.add(422).add(404);
  const account = someone("Keeper");
  await signUp(page, account);
  const { id, token } = await addCluster(page, account, "eu-test");
  const cluster = `/o/${account.slug}/clusters/${id}`;
  expect((await answers(token)).status, "a fresh token is accepted").not.toBe(401);

  // The token is shown once.
  await page.reload();
  await settled(page);
  await expect(page.getByText("The token was shown when it was made")).toBeVisible();
  await expect(page.getByText(token)).toHaveCount(0);

  // Rename, first badly.
  await visit(page, `${cluster}/settings`);
  await page.getByLabel("Name of the cluster").fill("EU Test");
  await page.getByRole("button", { name: "Rename" }).click();
  await expect(page.getByLabel("Name of the cluster")).toHaveAccessibleDescription(/lower-case letters/);
  await page.getByLabel("Name of the cluster").fill("eu-renamed");
  await page.getByRole("button", { name: "Rename" }).click();
  await expect(page.getByRole("heading", { name: "eu-renamed" })).toBeVisible();

  // A new token ends the old one.
  await page.getByRole("button", { name: "Make a new token" }).click();
  await page.waitForURL(`${cluster}/install`);
  await settled(page);
  const second = await shownToken(page);
  expect(second).not.toBe(token);
  expect((await answers(token)).status, "the old token").toBe(401);
  expect((await answers(second)).status, "the new token").not.toBe(401);

  // One more from the install page itself.
  await page.reload();
  await settled(page);
  await page.getByRole("button", { name: "Make a new token" }).click();
  const third = await shownToken(page);
  expect(third).not.toBe(second);

  // Revoked: refused, and said.
  await visit(page, `${cluster}/settings`);
  await page.getByRole("button", { name: "Revoke the token" }).click();
  await expect(page.getByText("There is no token that is accepted")).toBeVisible();
  await expect(page.getByRole("button", { name: "Revoke the token" })).toHaveCount(0);
  expect((await answers(third)).status, "a revoked token").toBe(401);

  // Deleted, once the name is typed.
  await page.getByLabel("Type eu-renamed to confirm").fill("eu-test");
  await page.getByRole("button", { name: "Delete the cluster" }).click();
  await expect(page.getByLabel("Type eu-renamed to confirm")).toHaveAccessibleDescription(/does not match/);
  await page.getByLabel("Type eu-renamed to confirm").fill("eu-renamed");
  await page.getByRole("button", { name: "Delete the cluster" }).click();
  await expect(page).toHaveURL(`/o/${account.slug}/clusters`);
  await expect(page.getByText("There is no cluster yet.")).toBeVisible();
  expect((await page.request.get(cluster)).status()).toBe(404);
});

test("a name that is in use is refused", async ({ page, provoked }) => {
  provoked.add(422);
  const account = someone("Twice");
  await signUp(page, account);
  await addCluster(page, account, "eu-one");
  await visit(page, `/o/${account.slug}/clusters/new`);
  await page.getByLabel("Name of the cluster").fill("eu-one");
  await page.getByRole("button", { name: "Add cluster" }).click();
  await expect(page.getByLabel("Name of the cluster")).toHaveAccessibleDescription(/is already in use/);
});

test("@js-on what changes in a cluster appears by itself, and nothing flickers", async ({ page }) => {
  test.slow();
  const account = someone("Watcher");
  await signUp(page, account);
  const { id, token } = await addCluster(page, account, "moving");
  const sample = await sampleCluster("moving", ["--churn", "1"]);
  const agent = startAgent("moving", token, sample.kubeconfig);
  try {
    await expect(page.getByRole("link", { name: "Open the cluster" })).toBeVisible({ timeout: 45_000 });
    await visit(page, `/o/${account.slug}/clusters/${id}/workloads`);
    await expect(page.getByText("live", { exact: true })).toBeVisible();
    await page.evaluate(() => {
      const state = { least: Number.POSITIVE_INFINITY, asked: 0 };
      Object.assign(window, { watched: state });
      const rows = () => document.querySelectorAll("main tbody tr").length;
      new MutationObserver(() => (state.least = Math.min(state.least, rows()))).observe(document.body, {
        subtree: true,
        childList: true,
        characterData: true,
      });
    });
    let refreshed = 0;
    page.on("response", (response) => (refreshed += Number(new URL(response.url()).pathname === "/api/workloads")));
    const twiceMore = () => {
      const before = refreshed;
      return expect.poll(() => refreshed - before, { timeout: 30_000 }).toBeGreaterThan(2);
    };
    // What is being typed, and where the keyboard is, stay.
    const name = page.getByRole("textbox", { name: "Filter workloads by name" });
    await name.fill("not yet ask");
    await twiceMore();
    await expect(name).toHaveValue("not yet ask");
    await expect(name).toBeFocused();
    const row = page.getByRole("table").getByRole("link").nth(2);
    await row.focus();
    await twiceMore();
    await expect(row).toBeFocused();
    const least = await page.evaluate(() => (window as unknown as { watched: { least: number } }).watched.least);
    expect(least, "rows at the worst moment").toBeGreaterThanOrEqual(50);
    expect(scripted()).toBe(true);
  } finally {
    await agent.stop();
    await sample.stop();
  }
});
