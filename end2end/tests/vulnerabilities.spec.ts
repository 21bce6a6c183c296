// Vulnerabilities, from the reports in the sample cluster.
import { expect, residentCluster, row, scripted, test, visit } from "../support/test.ts";

test("an image leads to its vulnerabilities, worst first, and these to what runs it", async ({ resident: page }) => {
  await visit(page, `${residentCluster()}/images?q=fraud-scorer`);
  await page.getByRole("link", { name: /^Vulnerabilities of registry\.acme\.example\/payments\/fraud-scorer/ }).click();
  await expect(page).toHaveURL(/\/vulnerabilities\?image=registry\.acme\.example%2Fpayments%2Ffraud-scorer%3A2\.9\.1$/);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("registry.acme.example/payments/fraud-scorer:2.9.1");
  await expect(page.getByText("by Trivy 0.67.2, debian 11.11")).toBeVisible();
  const rows = page.getByRole("table").getByRole("row");
  await expect(rows.nth(1)).toContainText("CVE-2021-44228");
  await expect(rows.nth(1)).toContainText("critical");
  await expect(rows.nth(1)).toContainText("2.15.0, 2.3.1, 2.12.2");
  await expect(rows.last()).toContainText("CVE-2011-3374");
  await expect(rows.last()).toContainText("no fix yet");
  const link = page.getByRole("link", { name: "CVE-2021-44228", exact: true });
  await expect(link).toHaveAttribute("href", "https://avd.aquasec.com/nvd/cve-2021-44228");
  await expect(link).toHaveAttribute("rel", /noopener noreferrer/);

  const workloads = page.getByRole("region", { name: "Workloads that run it" });
  await expect(workloads.getByRole("link", { name: "fraud-scorer" })).toHaveAttribute("href", /\/resources\//);
  const applications = page.getByRole("region", { name: "Applications" });
  await applications.getByRole("link").first().click();
  await expect(page).toHaveURL(/\/vulnerabilities\?app=[^&]+&namespace=payments$/);
  await expect(page.getByRole("link", { name: "CVE-2021-44228", exact: true })).toBeVisible();
});

test("filters are in the address, and what no version mends can be left out", async ({ resident: page }) => {
  await visit(page, `${residentCluster()}/vulnerabilities`);
  const filters = page.getByRole("search", { name: "Filters" });
  const apply = async () => {
    if (!scripted()) await filters.getByRole("button", { name: "Filter" }).click();
  };
  await filters.getByRole("combobox", { name: "severity" }).selectOption("critical");
  await apply();
  await expect(page).toHaveURL(/severity=critical/);
  await expect(page.getByRole("link", { name: "CVE-2023-45853", exact: true }).first()).toBeVisible();
  await expect(page.getByRole("link", { name: "CVE-2011-3374", exact: true })).toHaveCount(0);
  await filters.getByRole("combobox", { name: "fixable" }).selectOption("yes");
  await apply();
  await expect(page).toHaveURL(/fixable=yes/);
  await expect(page.getByRole("link", { name: "CVE-2023-45853", exact: true })).toHaveCount(0);
  await expect(page.getByRole("link", { name: "CVE-2021-44228", exact: true })).toBeVisible();
  await filters.getByLabel("Filter vulnerabilities by id or package").fill("liblzma");
  await filters.getByLabel("Filter vulnerabilities by id or package").press("Enter");
  await expect(page).toHaveURL(/q=liblzma/);
  await expect(page.getByRole("link", { name: "CVE-2024-3094", exact: true })).toHaveCount(1);
  await filters.getByLabel("Remove the filter severity").click();
  await expect(page).not.toHaveURL(/severity=/);
});

test("where one vulnerability is, by its id", async ({ resident: page }) => {
  await visit(page, `${residentCluster()}/vulnerabilities?q=CVE-2021-44228`);
  await page.getByRole("link", { name: "Where it is: CVE-2021-44228" }).click();
  await expect(page).toHaveURL(/\/o\/[^/]+\/vulnerabilities\?q=CVE-2021-44228$/);
  await expect(row(page, "registry.acme.example/payments/fraud-scorer:2.9.1")).toBeVisible();
  const field = page.getByRole("textbox", { name: "Id of a vulnerability" });
  await field.fill("cve-2023-45853");
  await field.press("Enter");
  await expect(page).toHaveURL(/q=cve-2023-45853$/);
  await expect(row(page, "docker.io/library/postgres:17")).toBeVisible();
  await row(page, "docker.io/library/postgres:17").click();
  await expect(page).toHaveURL(/\/vulnerabilities\?image=docker\.io%2Flibrary%2Fpostgres%3A17$/);
});

test("what nobody has scanned is not said to be well", async ({ resident: page }) => {
  await visit(page, `${residentCluster()}/images?q=coredns`);
  await expect(page.getByRole("row").filter({ hasText: "coredns" })).toContainText("not scanned");
  await visit(page, `${residentCluster()}/images?q=node-exporter`);
  await expect(page.getByRole("row").filter({ hasText: "node-exporter" })).toContainText("none");
  await visit(page, `${residentCluster()}/vulnerabilities?image=registry.k8s.io/coredns/coredns:v1.13.1`);
  await expect(page.getByRole("heading", { name: "Not scanned" })).toBeVisible();
});
