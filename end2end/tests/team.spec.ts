// Who is in an organisation and what they may do: inviting, accepting, changing, limiting, removing, handing over.
import type { Browser, Page } from "@playwright/test";

import { linkIn, mailTo } from "../support/mail.ts";
import { keep } from "../support/secrets.ts";
import { type Account, stack } from "../support/stack.ts";
import { addCluster, expect, forget, scripted, settled, signUp, someone, test, visit } from "../support/test.ts";

const subject = (account: Account) => `You are invited to ${account.organisation} at Kubewise`;

/** Another person's browser. */
async function another(browser: Browser): Promise<Page> {
  const context = await browser.newContext({ baseURL: stack().url, javaScriptEnabled: scripted() });
  return context.newPage();
}

async function invite(page: Page, owner: Account, email: string, role: string, clusters: string[] = []) {
  await visit(page, `/o/${owner.slug}/team`);
  await page.getByRole("link", { name: "Invite", exact: true }).click();
  await page.waitForURL(/\/team\/invite$/);
  await settled(page);
  await page.getByLabel("E-mail address").fill(email);
  await page.getByRole("radio", { name: new RegExp(`^${role}`) }).check();
  if (clusters.length > 0) {
    await page.getByRole("radio", { name: /^Only chosen clusters/ }).check();
    for (const cluster of clusters) await page.getByRole("checkbox", { name: cluster }).check();
  }
  await page.getByRole("button", { name: "Send the invitation" }).click();
  await expect(page.getByText("The invitation is on its way.")).toBeVisible();
  const link = linkIn(await mailTo(email, subject(owner)));
  keep(stack().folder, new URL(link, stack().url).searchParams.get("token")!);
  return link;
}

/** Accepts with a new account; ends in the organisation. */
async function join(page: Page, link: string, owner: Account, name: string, landing: RegExp | string) {
  await visit(page, link);
  await expect(page.getByRole("heading", { name: `Join ${owner.organisation}` })).toBeVisible();
  await page.getByLabel("Your name").fill(name);
  await page.getByLabel("Password").fill("velvet canyon tuesday owl");
  await page.getByRole("button", { name: "Create account and join" }).click();
  await page.waitForURL(landing);
  await settled(page);
}

async function openMember(page: Page, owner: Account, name: string) {
  await visit(page, `/o/${owner.slug}/team`);
  await page.getByRole("table").getByRole("link", { name, exact: true }).click();
  await expect(page.getByRole("heading", { name, level: 1 })).toBeVisible();
}

test("an invitation, a role that changes, a limit, and the end of it", async ({ page, browser, provoked }) => {
  provoked.add(404).add(403).add(422);
  const owner = someone("Crew");
  await signUp(page, owner);
  const east = await addCluster(page, owner, "east");
  await addCluster(page, owner, "west");
  const guest = someone("Guest");
  keep(stack().folder, "Aiko Kimura");
  const link = await invite(page, owner, guest.email, "Viewer");
  await expect(page.getByText(guest.email)).toBeVisible();

  const theirs = await another(browser);
  await join(theirs, link, owner, "Aiko Kimura", `/o/${owner.slug}/`);
  await expect(theirs.getByRole("heading", { name: "Overview" })).toBeVisible();
  // A Viewer changes nothing.
  await expect(theirs.getByRole("link", { name: "Add cluster" })).toHaveCount(0);
  await visit(theirs, `/o/${owner.slug}/clusters`);
  await expect(theirs.getByRole("table").getByRole("link")).toHaveText(["east", "west"]);
  // The link has ended.
  await visit(theirs, link);
  await expect(theirs.getByRole("heading", { name: "This invitation has ended" })).toBeVisible();

  // A role takes effect with the next thing the other person does, on the page that is open.
  await visit(theirs, `/o/${owner.slug}/clusters/${east.id}`);
  await openMember(page, owner, "Aiko Kimura");
  await page.getByRole("radio", { name: /^Operator/ }).check();
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("It is changed.")).toBeVisible();
  await visit(theirs, `/o/${owner.slug}/clusters/${east.id}/settings`);
  await theirs.getByLabel("Name of the cluster").fill("east-one");
  await theirs.getByRole("button", { name: "Rename" }).click();
  if (scripted()) await expect(theirs.getByText("Renamed", { exact: true })).toBeVisible();
  await visit(theirs, `/o/${owner.slug}/clusters`);
  await expect(theirs.getByRole("table").getByRole("link")).toHaveText(["east-one", "west"]);

  // Limited to one cluster: the other is not there.
  await openMember(page, owner, "Aiko Kimura");
  await page.getByRole("radio", { name: /^Only chosen clusters/ }).check();
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("The choice of clusters is missing.")).toBeVisible();
  // Without scripts the form is as it was before the mistake.
  await page.getByRole("radio", { name: /^Only chosen clusters/ }).check();
  await page.getByRole("checkbox", { name: "east-one" }).check();
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("It is changed.")).toBeVisible();
  if (scripted()) {
    // The list that is open asks again by itself.
    await expect(theirs.getByRole("table").getByRole("link")).toHaveText(["east-one"]);
  }
  await visit(theirs, `/o/${owner.slug}/clusters`);
  await expect(theirs.getByRole("table").getByRole("link")).toHaveText(["east-one"]);
  await visit(theirs, `/o/${owner.slug}/`);
  await expect(theirs.getByText("west")).toHaveCount(0);
  await visit(theirs, `/o/${owner.slug}/settings/activity`);
  await expect(theirs.getByText("west")).toHaveCount(0);
  await expect(theirs.getByRole("table")).toContainText("east");

  // Removed: the page that is open ends, and nothing is there any more.
  await visit(theirs, `/o/${owner.slug}/clusters`);
  await openMember(page, owner, "Aiko Kimura");
  await page.getByRole("button", { name: "Remove from the team" }).click();
  await expect(page.getByText("That person is no member any more.")).toBeVisible();
  if (scripted()) await expect(theirs.getByRole("heading", { name: "Nothing here" })).toBeVisible();
  const answer = await theirs.request.get(`/o/${owner.slug}/clusters`, { headers: { accept: "text/html" } });
  expect(answer.status()).toBe(404);
  await theirs.goto("/account/organisations");
  await expect(theirs.getByRole("heading", { name: "You are in no organisation" })).toBeVisible();
  await theirs.context().close();

  // All of it was written down.
  await visit(page, `/o/${owner.slug}/settings/activity`);
  for (const sentence of ["removed Aiko Kimura", "changed what this person may do: Aiko Kimura", "joined Aiko Kimura", `invited ${guest.email}`]) {
    await expect(page.getByRole("cell", { name: sentence }).first()).toBeVisible();
  }
});

test("an invitation is sent again, revoked, and is for one address alone", async ({ page, browser, provoked }) => {
  provoked.add(403).add(410);
  const owner = someone("Door");
  await signUp(page, owner);
  const guest = someone("Guest");
  const first = await invite(page, owner, guest.email, "Viewer");
  await page.getByRole("button", { name: `Send the invitation of ${guest.email} again` }).click();
  await expect(page.getByText("A new mail is on its way.")).toBeVisible();

  const theirs = await another(browser);
  // The link of the first mail ends when the second is asked for.
  await visit(theirs, first);
  await expect(theirs.getByRole("heading", { name: "This invitation has ended" })).toBeVisible();
  await expect
    .poll(async () => linkIn(await mailTo(guest.email, subject(owner))), { message: "a second mail" })
    .not.toBe(first);
  const second = linkIn(await mailTo(guest.email, subject(owner)));

  // Somebody else who has the link is told whose it is.
  await visit(page, second);
  await expect(page.getByText(`The invitation is for ${guest.email}`)).toBeVisible();
  const refused = await page.request.post("/api/accept_invitation", {
    headers: { origin: stack().url, accept: "application/json" },
    form: { token: new URL(second, stack().url).searchParams.get("token")! },
  });
  expect(refused.status()).toBe(403);

  await visit(page, `/o/${owner.slug}/team/invitations`);
  await page.getByRole("button", { name: `Revoke the invitation of ${guest.email}` }).click();
  await expect(page.getByText("The invitation has ended.")).toBeVisible();
  await expect(page.getByRole("heading", { name: "No invitation is waiting" })).toBeVisible();
  await visit(theirs, second);
  await expect(theirs.getByRole("heading", { name: "This invitation has ended" })).toBeVisible();
  await theirs.context().close();
});

test("who has an account joins with it, and switches between organisations", async ({ page, browser, provoked }) => {
  provoked.add(409);
  const owner = someone("Host");
  await signUp(page, owner);
  const theirs = await another(browser);
  const guest = someone("Visitor");
  await signUp(theirs, guest);
  const link = await invite(page, owner, guest.email, "Admin");

  await forget(theirs);
  await visit(theirs, link);
  await theirs.getByRole("link", { name: "Sign in" }).last().click();
  await theirs.waitForURL(/\/login/);
  await settled(theirs);
  await theirs.getByLabel("E-mail address").fill(guest.email);
  await theirs.getByLabel("Password").fill(guest.password);
  await theirs.getByRole("button", { name: "Sign in", exact: true }).click();
  await theirs.getByRole("button", { name: "Join", exact: true }).click();
  await theirs.waitForURL(`/o/${owner.slug}/`);
  await settled(theirs);

  const menu = theirs.getByRole("navigation", { name: "Main", exact: true }).locator("details.menu.org");
  await menu.locator("summary").click();
  await menu.getByRole("link", { name: guest.organisation }).click();
  await theirs.waitForURL(`/o/${guest.slug}/`);
  // An Admin cannot touch an Owner, and the last Owner cannot leave.
  await visit(theirs, `/o/${owner.slug}/team`);
  await expect(theirs.getByRole("table").getByRole("link", { name: owner.name, exact: true })).toHaveCount(1);
  await visit(page, `/o/${owner.slug}/team`);
  await page.getByText("Leave this organisation").click();
  await page.getByRole("button", { name: "Leave", exact: true }).click();
  await expect(page.getByText("An organisation needs an Owner. Make somebody else Owner first.")).toBeVisible();
  await theirs.context().close();
});

test("an organisation is handed over, and left", async ({ page, browser, provoked }) => {
  // The page that is left asks once more, and is refused.
  provoked.add(404);
  const owner = someone("Heirloom");
  await signUp(page, owner);
  const guest = someone("Heir");
  keep(stack().folder, "Farid Selim");
  const link = await invite(page, owner, guest.email, "Operator");
  const theirs = await another(browser);
  await join(theirs, link, owner, "Farid Selim", `/o/${owner.slug}/`);

  await openMember(page, owner, "Farid Selim");
  await page.getByRole("button", { name: "Hand the organisation over" }).click();
  await expect(page.getByText("Ownership is handed over. You are an Admin now.")).toBeVisible();
  await page.getByText("Leave this organisation").click();
  await page.getByRole("button", { name: "Leave", exact: true }).click();
  await page.waitForURL(/\/account\/organisations/);
  await expect(page.getByText("You are no member there any more.")).toBeVisible();
  await expect(page.getByRole("heading", { name: "You are in no organisation" })).toBeVisible();

  // Another one is made, with one field.
  await settled(page);
  await page.getByLabel("Name of the organisation").fill(`${owner.organisation} two`);
  await page.getByRole("button", { name: "Make it" }).click();
  await page.waitForURL(`/o/${owner.slug}-two/`);
  await theirs.context().close();
});

test("an organisation that is open to a domain is joined from the account", async ({ page, browser }) => {
  const domain = `team-${Math.random().toString(36).slice(2, 8)}.example`;
  const confirmed = async (browserPage: Page, account: Account) => {
    await signUp(browserPage, account);
    await visit(browserPage, linkIn(await mailTo(account.email, "Confirm your e-mail address")));
    await browserPage.getByRole("button", { name: "Yes, this is my address" }).click();
    await expect(browserPage.getByText("Thank you. The address is confirmed.")).toBeVisible();
  };
  const owner = { ...someone("Open"), email: `maya@${domain}` };
  const guest = { ...someone("Colleague"), email: `aiko@${domain}` };
  keep(stack().folder, owner.email, guest.email);
  await confirmed(page, owner);
  await visit(page, `/o/${owner.slug}/settings`);
  await page.getByLabel("They become").selectOption("Operator");
  await page.getByRole("button", { name: `Let addresses at ${domain} join` }).click();
  await expect(page.getByText(`Whoever confirmed an address at ${domain} may join, as Operator.`)).toBeVisible();

  const theirs = await another(browser);
  await confirmed(theirs, guest);
  await visit(theirs, "/account/organisations");
  await theirs.getByRole("listitem").filter({ hasText: owner.organisation }).getByRole("button", { name: "Join" }).click();
  await theirs.waitForURL(`/o/${owner.slug}/`);
  await settled(theirs);
  await expect(theirs.getByRole("heading", { name: "Overview" })).toBeVisible();
  await theirs.context().close();
});

test("an API token is shown once, works, and is revoked", async ({ page, provoked }) => {
  provoked.add(422);
  const owner = someone("Script");
  await signUp(page, owner);
  await addCluster(page, owner, "north");
  await visit(page, `/o/${owner.slug}/settings/tokens`);
  await page.getByRole("link", { name: "Make a token" }).click();
  await page.waitForURL(/\/tokens\/new$/);
  await settled(page);
  await page.getByLabel("Name", { exact: true }).fill("nightly report");
  await page.getByRole("button", { name: "Make the token" }).click();
  await expect(page.getByText("What the token may do is missing.")).toBeVisible();
  await page.getByLabel("Name", { exact: true }).fill("nightly report");
  await page.getByRole("checkbox", { name: /^view_inventory/ }).check();
  await page.getByRole("button", { name: "Make the token" }).click();
  const shown = page.getByRole("group", { name: "API token" });
  await expect(shown).toContainText("kw_");
  keep(stack().folder, (await shown.textContent())!.trim());
  await visit(page, `/o/${owner.slug}/settings/tokens`);
  await expect(page.getByRole("group", { name: "API token" })).toHaveCount(0);
  await expect(page.getByRole("row", { name: /^nightly report/ })).toBeVisible();
  await page.getByRole("button", { name: "Revoke the token nightly report" }).click();
  await expect(page.getByText("The token is refused from now on.")).toBeVisible();
  await expect(page.getByRole("heading", { name: "There is no token yet" })).toBeVisible();
});

test("the activity log is narrowed, taken out and verified", async ({ page }) => {
  const owner = someone("Ledger");
  await signUp(page, owner);
  await addCluster(page, owner, "north");
  await visit(page, `/o/${owner.slug}/settings/activity`);
  await expect(page.getByRole("row")).toHaveCount(3);
  await page.getByLabel("about").selectOption("clusters");
  await page.getByRole("button", { name: "Filter" }).click();
  await expect(page.getByRole("row")).toHaveCount(2);
  await expect(page.getByRole("cell", { name: "added the cluster north" })).toBeVisible();

  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV" }).click()]);
  expect(file.suggestedFilename()).toBe(`kubewise-activity-${owner.slug}.csv`);
  const stream = await file.createReadStream();
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  const lines = Buffer.concat(chunks).toString().trim().split("\n");
  expect(lines[0]).toBe("line,at,person,token,from,action,subject,cluster,before,after");
  expect(lines).toHaveLength(2);
  expect(lines[1]).toContain(",cluster.add,north,");
  if (!scripted()) return;
  await visit(page, `/o/${owner.slug}/settings/activity`);
  await page.getByRole("button", { name: "Verify the log" }).click();
  await expect(page.getByText("All 3 lines are as they were written.")).toBeVisible();
});
