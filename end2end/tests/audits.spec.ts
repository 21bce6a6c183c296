// An audit, from asking for it to the finding that is mended.
import { stack } from "../support/stack.ts";
import { audited, expect, residentCluster, settled, test, visit } from "../support/test.ts";

test("a cluster is audited, its findings narrowed, and one understood", async ({ resident: page }) => {
  await audited(page);
  await expect(page.getByText("Score of 100")).toBeVisible();
  await expect(page.getByText(/objects? judged/)).toBeVisible();

  // Narrowed by what the address says.
  await visit(page, `${residentCluster()}/findings?severity=high`);
  const rows = page.getByRole("table").getByRole("row");
  await expect(rows.nth(1)).toContainText("high");
  await expect(page.getByRole("table").getByText("critical", { exact: true })).toHaveCount(0);
  await page.getByRole("link", { name: "Remove the filter severity" }).click();
  await expect(page).toHaveURL(`${residentCluster()}/findings`);
  await settled(page);

  // One of them: why, where, and how to mend it.
  const first = page.getByRole("table").getByRole("link").first();
  const title = (await first.textContent())!;
  await first.click();
  await expect(page.getByRole("heading", { level: 1, name: title })).toBeVisible();
  await settled(page);
  for (const part of ["What it is in", "Why it matters", "How to mend it", "Evidence", "History"]) {
    await expect(page.getByRole("heading", { name: part })).toBeVisible();
  }
  await expect(page.getByRole("listitem").filter({ hasText: "still there" })).toBeVisible();
});

test("audited again, nothing is new and nothing is fixed", async ({ resident: page }) => {
  await audited(page);
  await audited(page);
  await visit(page, `${residentCluster()}/findings?state=fixed`);
  await expect(page.getByRole("heading", { name: "No findings match" })).toBeVisible();
});

test("the organisation's audits say where it is worst", async ({ resident: page }) => {
  await audited(page);
  await visit(page, `/o/${stack().resident.slug}/audits`);
  const row = page.getByRole("row").filter({ has: page.getByRole("link").first() }).first();
  await expect(row.getByRole("button", { name: /^Run audit/ })).toBeEnabled();
  await expect(row).toContainText("audited");
  await row.getByRole("link").first().click();
  await expect(page).toHaveURL(`${residentCluster()}/findings`);
});

test("a finding that never was is not there", async ({ resident: page, provoked }) => {
  provoked.add(404);
  expect((await visit(page, `${residentCluster()}/findings/00112233445566778899aabbccddeeff`))?.status()).toBe(404);
});

test("findings are taken out as files", async ({ resident: page }) => {
  await audited(page);
  await visit(page, `${residentCluster()}/findings?severity=high`);
  const link = page.getByRole("navigation", { name: "Export" }).getByRole("link", { name: "Export as CSV" });
  const [file] = await Promise.all([page.waitForEvent("download"), link.click()]);
  expect(file.suggestedFilename()).toMatch(/^[a-z0-9.-]+-audit-\d+\.csv$/);
  const chunks: Buffer[] = [];
  for await (const chunk of await file.createReadStream()) chunks.push(chunk as Buffer);
  const lines = Buffer.concat(chunks).toString().trim().split("\r\n");
  expect(lines[0]).toContain("rule,title,severity,state");
  expect(lines.length).toBeGreaterThan(1);
  expect(lines.slice(1).join("\n")).toContain(",high,");
  expect(lines.slice(1).join("\n")).not.toContain(",critical,");
  const printed = page.getByRole("link", { name: "Export as PDF" });
  const [pdf] = await Promise.all([page.waitForEvent("download"), printed.click()]);
  expect(pdf.suggestedFilename()).toMatch(/-audit-\d+\.pdf$/);
  const parts: Buffer[] = [];
  for await (const part of await pdf.createReadStream()) parts.push(part as Buffer);
  expect(Buffer.concat(parts).subarray(0, 5).toString()).toBe("%PDF-");
  // What was fixed is not open.
  await visit(page, `${residentCluster()}/findings?state=fixed`);
  await expect(page.getByRole("navigation", { name: "Export" })).toHaveCount(0);
});
