// An audit, from asking for it to the finding that is mended.
import { sampleCluster, stack, startAgent } from "../support/stack.ts";
import {
  addCluster,
  audited,
  expect,
  residentCluster,
  scripted,
  settled,
  signUp,
  someone,
  test,
  visit,
} from "../support/test.ts";

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
  // Until all are there, those of before are shown.
  await expect(rows.nth(1)).toContainText("critical");

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

test("two audits of one cluster are compared: nothing differs", async ({ resident: page }) => {
  await audited(page);
  await audited(page);
  await page.getByRole("link", { name: "Compare with an earlier audit" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Compare audits" })).toBeVisible();
  await settled(page);
  await expect(page.getByText(/^Nothing differs: [\d,]+ findings? in both\.$/)).toBeVisible();
  const figures = page.getByRole("table", { name: "Both audits side by side" });
  await expect(figures.getByRole("row", { name: /^Score of 100/ }).getByRole("cell").last()).toHaveText("0.0");
  await expect(figures.getByRole("row", { name: /^Findings/ }).getByRole("cell").last()).toHaveText("0");
  await expect(page.getByText("Nothing that the other has not.")).toHaveCount(2);
  await expect(page.getByText(/found the same in both$/)).toBeVisible();

  // Chosen in the form: what it says is in the address.
  await page.getByLabel("Number of the second audit").fill("1");
  await page.getByRole("button", { name: "Compare", exact: true }).click();
  await expect(page).toHaveURL(/[?&]rb=1(&|$)/);
  await expect(page.getByRole("link", { name: /, audit 1$/ }).last()).toBeVisible();
});

test("nothing is compared until two are chosen, and not with an audit that never was", async ({ resident: page, provoked }) => {
  await audited(page);
  const { slug, cluster } = stack().resident;
  await visit(page, `/o/${slug}/audits`);
  await page.getByRole("link", { name: "Compare", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Choose what to compare" })).toBeVisible();
  provoked.add(422).add(404);
  const compare = `/o/${slug}/audits/compare?a=${cluster}`;
  expect((await visit(page, `${compare}&b=${cluster}&rb=999999999`))?.status()).toBe(422);
  await expect(page.getByText("The number of an audit is not that of one that was done in the cluster.")).toBeVisible();
  await page.getByRole("link", { name: "Compare other audits" }).click();
  await expect(page.getByRole("heading", { name: "Choose what to compare" })).toBeVisible();
  expect((await visit(page, `${compare}&b=00000000-0000-4000-8000-000000000000`))?.status()).toBe(404);
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

test("a schedule is set, said in plain words, and ended", async ({ resident: page, provoked }) => {
  provoked.add(422);
  await visit(page, `/o/${stack().resident.slug}/audits`);
  await page.getByRole("link", { name: "Schedules" }).click();
  await expect(page.getByText("when somebody asks").first()).toBeVisible();
  await settled(page);
  await page.getByLabel("Audit", { exact: true }).selectOption({ label: "eu-prod" });
  await page.getByLabel("When").selectOption({ label: "Every weekday" });
  await page.getByLabel("At", { exact: true }).fill("06:00");
  await page.getByLabel("By the clocks of").fill("Mars/Olympus");
  await page.getByRole("button", { name: "Set the schedule" }).click();
  await expect(page.getByText("The time zone is not a name like Europe/Paris or UTC.")).toBeVisible();
  await settled(page);
  await page.getByLabel("Audit", { exact: true }).selectOption({ label: "eu-prod" });
  await page.getByLabel("When").selectOption({ label: "Every weekday" });
  await page.getByLabel("By the clocks of").fill("Europe/Paris");
  await page.getByRole("button", { name: "Set the schedule" }).click();
  const row = page.getByRole("row").filter({ has: page.getByRole("link", { name: "eu-prod", exact: true }) });
  await expect(row).toContainText("every weekday at 06:00 Paris time");
  await settled(page);
  await row.getByRole("button", { name: "End the schedule of eu-prod" }).click();
  await expect(row).toContainText("when somebody asks");
});

test("every cluster is audited by one button", async ({ resident: page }) => {
  await visit(page, `/o/${stack().resident.slug}/audits`);
  await page.getByRole("button", { name: "Audit every cluster" }).click();
  await expect(async () => {
    if (!scripted()) await page.reload();
    await expect(page.getByText(/^audited /).first()).toBeVisible({ timeout: 1_000 });
  }).toPass({ timeout: 45_000 });
});

test("several clusters are chosen and audited", async ({ page }) => {
  test.slow();
  const owner = someone("Chosen");
  await signUp(page, owner);
  const stops: (() => Promise<void>)[] = [];
  for (const name of ["north", "south", "west"]) {
    const { token } = await addCluster(page, owner, name);
    const cluster = await sampleCluster(name);
    const agent = startAgent(name, token, cluster.kubeconfig);
    stops.push(agent.stop, cluster.stop);
  }
  const row = (name: string) => page.getByRole("row").filter({ has: page.getByRole("link", { name, exact: true }) });
  await expect(async () => {
    await visit(page, `/o/${owner.slug}/audits`);
    for (const name of ["north", "south", "west"]) await expect(row(name)).toContainText("not audited yet", { timeout: 1_000 });
  }).toPass({ timeout: 60_000 });

  const button = page.getByRole("button", { name: "Audit the chosen clusters" });
  await expect(button).toBeHidden();
  await page.getByRole("checkbox", { name: "Choose north" }).check();
  await page.getByRole("checkbox", { name: "Choose west" }).check();
  if (scripted()) {
    // What changes meanwhile takes no tick away.
    await row("south").getByRole("button", { name: /^Run audit/ }).click();
    await expect(row("south")).toContainText(/audited .* ago/, { timeout: 45_000 });
    await expect(page.getByRole("checkbox", { name: "Choose north" })).toBeChecked();
  }
  await button.click();
  await expect(async () => {
    if (!scripted()) await page.reload();
    for (const name of ["north", "west"]) await expect(row(name)).toContainText(/audited .* ago/, { timeout: 1_000 });
  }).toPass({ timeout: 45_000 });
  if (!scripted()) await expect(row("south")).toContainText("not audited yet");
  for (const stop of stops) await stop();
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

test("a finding is waived, found all the same, compared, and open again when the waiver ends", async ({ resident: page }) => {
  const { slug } = stack().resident;
  const waived = `/o/${slug}/audits/waivers`;
  await audited(page);
  await visit(page, `${residentCluster()}/findings?severity=high`);
  const first = page.getByRole("table").getByRole("link").first();
  const title = (await first.textContent())!;
  await first.click();
  await expect(page.getByRole("heading", { level: 1, name: title })).toBeVisible();
  await settled(page);
  const name = await page.locator("dl.facts dd").first().innerText();

  // All but the reason and the owner is filled in.
  await page.getByRole("link", { name: "Waive", exact: true }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Waive findings" })).toBeVisible();
  await settled(page);
  await expect(page.getByLabel("named")).toHaveValue(name);
  const reason = `Needed by the storage driver, ${scripted() ? "with" : "without"} scripts`;
  await page.getByLabel("Why").fill(reason);
  await page.getByLabel("Who answers for it").fill("storage team");
  await page.getByRole("button", { name: "Waive", exact: true }).click();
  await expect(page.getByText("Waived. What it is about is being judged again.")).toBeVisible();
  await settled(page);
  const row = page.getByRole("row").filter({ hasText: reason });
  await expect(async () => {
    await visit(page, waived);
    await expect(row.getByText("unused")).toHaveCount(0, { timeout: 1_000 });
  }).toPass({ timeout: 45_000 });

  // It is among what is waived, and says why.
  await visit(page, `${residentCluster()}/findings?state=waived`);
  await page.getByRole("table").getByRole("link", { name: title }).first().click();
  await expect(page.getByText(reason)).toBeVisible();
  await expect(page.getByText("Answers for it: storage team.")).toBeVisible();
  await settled(page);

  // Compared with the audit before it: waived, and not fixed.
  await visit(page, `${residentCluster()}/findings`);
  await expect(page.getByText(/Waived: [1-9]/)).toBeVisible();
  await page.getByRole("link", { name: "Compare with an earlier audit" }).click();
  await settled(page);
  await expect(page.getByRole("table", { name: "Both audits side by side" }).getByRole("row", { name: /^Waived/ })).toBeVisible();

  await visit(page, waived);
  await row.getByRole("button", { name: /^End the waiver of / }).click();
  await expect(page.getByText("Ended. What it was about is being judged again.")).toBeVisible();
  await settled(page);
  await page.getByRole("link", { name: "ended", exact: true }).click();
  await expect(row).toContainText("ended");
});

test("a waiver that is wrong is refused at its field", async ({ resident: page, provoked }) => {
  provoked.add(422);
  await visit(page, `/o/${stack().resident.slug}/audits/waivers/new`);
  await page.getByLabel("Rule").fill("no-such-rule");
  await page.getByLabel("Why").fill("A reason");
  await page.getByLabel("Who answers for it").fill("a team");
  await page.getByRole("button", { name: "Waive", exact: true }).click();
  await expect(page.getByText(/^The rule is not the id of one/)).toBeVisible();
});

test("a rule is switched off and on again, and a cluster is judged for another version", async ({ resident: page }) => {
  const { slug } = stack().resident;
  const rule = scripted() ? "pss-host-ports" : "pss-proc-mount";
  await visit(page, `/o/${slug}/audits/policy`);
  await page.getByLabel("The rule", { exact: true }).selectOption(rule);
  await page.getByLabel("Here").selectOption("off");
  await page.getByRole("button", { name: "Decide", exact: true }).click();
  await expect(page.getByText("Decided. Clusters are being judged again.")).toBeVisible();
  await settled(page);
  const line = page.getByRole("listitem").filter({ hasText: rule });
  await expect(line).toContainText("not judged");
  await line.getByRole("button", { name: `Have the rule ${rule} as the catalogue has it` }).click();
  await expect(line).toHaveCount(0);
  await settled(page);

  await page.getByLabel("Version that eu-prod is judged for").selectOption("1.36");
  await page.getByRole("button", { name: "Set how eu-prod is judged" }).click();
  await expect(page.getByText("Set. The cluster is being judged again.")).toBeVisible();
  await settled(page);
  await page.getByLabel("Version that eu-prod is judged for").selectOption("");
  const answered = page.waitForResponse((response) => response.request().method() === "POST");
  await page.getByRole("button", { name: "Set how eu-prod is judged" }).click();
  await answered;
  await visit(page, `/o/${stack().resident.slug}/audits/policy`);
  await expect(page.getByLabel("Version that eu-prod is judged for")).toHaveValue("");
});

test("what rules leave open is set, and what is no number is refused at its field", async ({ resident: page, provoked }) => {
  provoked.add(422);
  await visit(page, `/o/${stack().resident.slug}/audits/policy`);
  await page.getByLabel("Replicas of what serves requests, at least").fill("0");
  await page.getByRole("button", { name: "Set the parameters" }).click();
  await expect(page.getByText("The least number of replicas is not a number between 1 and 100.")).toBeVisible();
  await settled(page);
  await page.getByLabel("Replicas of what serves requests, at least").fill("2");
  await page.getByRole("button", { name: "Set the parameters" }).click();
  await expect(page.getByText("Set. Clusters are being judged again.")).toBeVisible();
});
