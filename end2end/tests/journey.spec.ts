// The main way through the product: from nothing to one object's manifest.
import { sampleCluster, startAgent } from "../support/stack.ts";
import { addCluster, expect, row, scripted, signUp, someone, test } from "../support/test.ts";

test("sign up, add a cluster, install the agent, find an object's manifest", async ({ page }) => {
  test.slow();
  const account = someone("Journey");
  await signUp(page, account);
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
  await expect(page.getByText("No cluster yet.")).toBeVisible();

  await page.getByRole("link", { name: "Add your first cluster" }).click();
  await expect(page.getByRole("heading", { name: "Add a cluster" })).toBeVisible();
  const { id, token } = await addCluster(page, account, "first-light");
  const installPage = page.url();
  await expect(page.getByText("The token is shown this once.")).toBeVisible();
  await expect(page.getByText("Waiting for the agent")).toBeVisible();
  await expect(page.getByText(`--set server=${new URL(installPage).origin}`)).toBeVisible();

  const cluster = await sampleCluster("first-light");
  const agent = startAgent("first-light", token, cluster.kubeconfig);
  try {
    const connected = page.getByText("Connected", { exact: true });
    const open = page.getByRole("link", { name: "Open the cluster" });
    if (scripted()) {
      // The page changes by itself, and the token that was shown stays.
      await expect(open).toBeVisible({ timeout: 45_000 });
      await expect(page.getByText(token)).toBeVisible();
      expect(page.url()).toBe(installPage);
    } else {
      await expect(async () => {
        await page.getByRole("link", { name: "Check again" }).click({ timeout: 2000 }).catch(() => {});
        await expect(open).toBeVisible({ timeout: 1000 });
      }).toPass({ timeout: 45_000 });
      await expect(page.getByText(token), "a token is shown once").toHaveCount(0);
    }
    await expect(connected).toBeVisible();
    await open.click();

    await expect(page.getByRole("heading", { name: "first-light" })).toBeVisible();
    await expect(page).toHaveTitle("first-light · Kubewise");
    const pods = page.getByRole("row").filter({ has: page.getByRole("link", { name: "Pod", exact: true }) });
    await expect(pods).toContainText(String(cluster.totals.Pod));

    await page.getByRole("link", { name: /^Applications \(\d+\)$/ }).click();
    await expect(page).toHaveTitle("Applications · first-light · Kubewise");
    await page.getByRole("table").getByRole("link", { name: /^argocd, / }).click();
    await expect(page).toHaveURL(/\/workloads\?namespace=argocd&app=argocd$/);

    await row(page, "argocd-server").click();
    await expect(page.getByRole("heading", { name: "argocd-server" })).toBeVisible();
    const manifest = page.getByRole("group", { name: "Manifest" });
    await expect(manifest).toContainText("kind: Deployment");
    await expect(manifest).toContainText("name: argocd-server");

    // Down to a pod and up again.
    await page.getByRole("region", { name: "Owns" }).getByRole("link").first().click();
    await expect(page.getByRole("region", { name: "Owned by" }).getByRole("link", { name: "argocd-server" })).toBeVisible();
    await expect(page).toHaveURL(new RegExp(`/o/${account.slug}/clusters/${id}/resources/`));
  } finally {
    await agent.stop();
    await cluster.stop();
  }
});
