// Lists: their filters and their place live in the address.
import { expect, residentCluster, row, scripted, settled, test, visit } from "../support/test.ts";

test("filters are in the address and can be taken away again", async ({ resident: page }) => {
  await visit(page, `${residentCluster()}/workloads`);
  const filters = page.getByRole("search", { name: "Filters" });
  const apply = async () => {
    if (!scripted()) await filters.getByRole("button", { name: "Filter" }).click();
  };

  await filters.getByRole("combobox", { name: "namespace" }).selectOption("argocd");
  await apply();
  await expect(page).toHaveURL(/\/workloads\?(.*&)?namespace=argocd/);
  await expect(row(page, "argocd-server")).toBeVisible();
  await expect(row(page, "cert-manager")).toHaveCount(0);

  await filters.getByRole("combobox", { name: "kind" }).selectOption({ label: "StatefulSet" });
  await apply();
  await expect(page).toHaveURL(/kind=StatefulSet\.apps/);
  await expect(page).toHaveURL(/namespace=argocd/);
  await expect(row(page, "argocd-server")).toHaveCount(0);
  await expect(row(page, "argocd-application-controller")).toBeVisible();

  await filters.getByLabel("Remove the filter kind").click();
  await expect(page).not.toHaveURL(/kind=/);
  await expect(row(page, "argocd-server")).toBeVisible();

  await filters.getByLabel("Filter workloads by name").fill("REPO");
  await filters.getByLabel("Filter workloads by name").press("Enter");
  await expect(page).toHaveURL(/q=REPO/);
  await expect(row(page, "argocd-repo-server")).toBeVisible();
  await expect(row(page, "argocd-server")).toHaveCount(0);

  // The address alone brings it all back; so does going back.
  await page.reload();
  await expect(row(page, "argocd-repo-server")).toBeVisible();
  await expect(filters.getByLabel("Filter workloads by name")).toHaveValue("REPO");
  await expect(filters.getByRole("combobox", { name: "namespace" })).toHaveValue("argocd");
  await page.goBack();
  await expect(row(page, "argocd-server")).toBeVisible();
  await expect(filters.getByLabel("Filter workloads by name")).toHaveValue("");
});

test("@js-on going back before the page is taken over leads back", async ({ resident: page }) => {
  await visit(page, `${residentCluster()}/workloads`);
  const filters = page.getByRole("search", { name: "Filters" });
  await filters.getByLabel("Filter workloads by name").fill("repo");
  await filters.getByLabel("Filter workloads by name").press("Enter");
  await expect(page).toHaveURL(/q=repo/);
  await expect(row(page, "argocd-server")).toHaveCount(0);
  // A slow connection: the page is there long before what makes it respond.
  let release = () => {};
  const slow = new Promise<void>((done) => (release = done));
  await page.route(/\.wasm$/, async (route) => {
    await slow;
    await route.continue();
  });
  await page.reload();
  await expect(row(page, "argocd-repo-server")).toBeVisible();
  await page.goBack();
  await expect(page).not.toHaveURL(/q=/);
  release();
  await expect(row(page, "argocd-server")).toBeVisible();
  await settled(page);
  await expect(filters.getByLabel("Filter workloads by name")).toHaveValue("");
});

test("what matches nothing says so", async ({ resident: page }) => {
  await visit(page, `${residentCluster()}/images?q=no-such-image`);
  await expect(page.getByRole("heading", { name: "No images match" })).toBeVisible();
  await page.getByRole("link", { name: "Remove all filters" }).click();
  await expect(page).toHaveURL(/\/images$/);
  await expect(page.getByRole("table")).toBeVisible();
});

test("pages follow each other without a gap or a repetition", async ({ resident: page }) => {
  await visit(page, `${residentCluster()}/resources?kind=Pod`);
  const names = () => page.locator("a.row-link").evaluateAll((links) => links.map((a) => a.getAttribute("href")!));
  const seen: string[] = [];
  for (;;) {
    seen.push(...(await names()));
    const next = page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Next page" });
    if ((await next.count()) === 0) break;
    const href = await next.getAttribute("href");
    await next.click();
    // Without scripts, a click waits only for the first bytes of the next page.
    await page.waitForLoadState();
    await expect(page).toHaveURL(href!);
    await expect(page.locator(`a.row-link[href="${seen.at(-1)}"]`)).toHaveCount(0);
  }
  expect(new Set(seen).size).toBe(seen.length);
  await visit(page, residentCluster());
  const pods = page.getByRole("row").filter({ has: page.getByRole("link", { name: "Pod", exact: true }) });
  await expect(pods).toContainText(String(seen.length));

  await page.goBack();
  await page.getByRole("link", { name: "First page" }).click();
  await expect(page).toHaveURL(/\/resources\?kind=Pod$/);
  await expect(page.locator(`a.row-link[href="${seen[0]}"]`)).toBeVisible();
});

test("an altered place in a list is refused, not guessed", async ({ resident: page, provoked }) => {
  provoked.add(422);
  const response = await visit(page, `${residentCluster()}/workloads?after=nonsense`);
  expect(response!.status()).toBe(422);
  await expect(page.getByRole("heading", { name: "This address cannot be understood" })).toBeVisible();
});

test("search finds an object in every cluster by a part of its name", async ({ resident: page }) => {
  const field = page.getByRole("searchbox", { name: "Search all clusters" });
  await field.fill("repo-serv");
  await field.press("Enter");
  await expect(page).toHaveURL(/\/search\?q=repo-serv$/);
  const found = row(page, "argocd-repo-server").first();
  await expect(found).toBeVisible();
  await page.getByRole("search", { name: "Filters" }).getByRole("combobox", { name: "kind" }).selectOption({ label: "Deployment" });
  if (!scripted()) await page.getByRole("button", { name: "Filter" }).click();
  await expect(page).toHaveURL(/kind=Deployment\.apps/);
  await expect(row(page, "argocd-repo-server")).toHaveCount(1);
  await row(page, "argocd-repo-server").click();
  await expect(page.getByRole("group", { name: "Manifest" })).toContainText("kind: Deployment");
});

test("images lead to what runs them, namespaces to what is in them", async ({ resident: page }) => {
  await visit(page, `${residentCluster()}/images?q=argoproj/argocd`);
  await page.getByRole("table").getByRole("link").first().click();
  await expect(page).toHaveURL(/\/workloads\?image=quay\.io%2Fargoproj%2Fargocd%3A[\w.-]+$/);
  await expect(row(page, "argocd-server")).toBeVisible();
  await page.getByLabel("Remove the filter image").click();
  await expect(page).toHaveURL(/\/workloads$/);

  await page.getByRole("link", { name: /^Namespaces \(/ }).click();
  await page.getByRole("link", { name: /^argocd, 4 workloads$/ }).click();
  await expect(page).toHaveURL(/\/workloads\?namespace=argocd$/);
});
