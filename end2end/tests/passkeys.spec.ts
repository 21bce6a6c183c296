// Passkeys, with Chromium's own virtual authenticator: added, used as second proof and alone, refused, removed.
import type { Page } from "@playwright/test";

import { Device } from "../support/authenticator.ts";
import { mailTo } from "../support/mail.ts";
import type { Account } from "../support/stack.ts";
import { expect, forget, scripted, settled, signUp, someone, test, visit } from "../support/test.ts";

/** Adds a passkey; answers the recovery codes. */
async function add(page: Page, name: string): Promise<string[]> {
  await visit(page, "/account/security");
  await page.getByLabel("What you will know it by").fill(name);
  await page.getByRole("button", { name: "Add a passkey" }).click();
  await expect(page.getByText("They are shown this once.")).toBeVisible();
  return (await page.getByRole("group", { name: "Recovery codes" }).innerText()).trim().split(/\s+/);
}

async function firstStep(page: Page, account: Account) {
  await visit(page, "/login");
  await page.getByLabel("E-mail address").fill(account.email);
  await page.getByLabel("Password").fill(account.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByRole("heading", { name: "One more step" })).toBeVisible();
}

test("@js-on a passkey signs in, alone and after the password", async ({ page }) => {
  const account = someone("Passkey");
  await signUp(page, account);
  const device = await Device.plugIn(page);
  await add(page, "Laptop of Jonas");
  await mailTo(account.email, "A passkey was added");
  await visit(page, "/account/security");
  const keys = page.getByRole("list", { name: "Your passkeys" }).getByRole("listitem");
  await expect(keys).toHaveText(/Laptop of Jonas.*not used yet/s);
  expect(await device.credentials()).toHaveLength(1);
  expect((await device.credentials())[0]!.isResidentCredential).toBe(true);

  // Alone, and back to the page that was asked for.
  await forget(page);
  await visit(page, "/account/sessions");
  await expect(page).toHaveURL(/\/login\?next=/);
  await settled(page);
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await expect(page.getByRole("list", { name: "Where you are signed in" })).toBeVisible();

  // As the second proof.
  await forget(page);
  await firstStep(page, account);
  await page.getByRole("button", { name: "Use a passkey" }).click();
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
  await visit(page, "/account/security");
  await expect(keys).toHaveText(/used/);
});

test("@js-on a prompt that is cancelled, and a passkey that is gone, leave other ways", async ({ page, provoked }) => {
  provoked.add(401).add(422);
  const account = someone("Cancel");
  await signUp(page, account);
  const device = await Device.plugIn(page);
  const codes = await add(page, "Phone");
  await forget(page);
  await firstStep(page, account);
  await device.refuse();
  await page.getByRole("button", { name: "Use a passkey" }).click();
  await expect(page.getByText("No passkey was used. Try again, or choose another way.")).toBeVisible();
  await device.forget();
  await page.getByRole("button", { name: "Use a passkey" }).click();
  await expect(page.getByText("No passkey was used. Try again, or choose another way.")).toBeVisible();
  await page.getByLabel("Recovery code").fill(codes[0]!);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();

  await visit(page, "/account/security");
  await page.getByRole("button", { name: "Remove Phone" }).click();
  await expect(page.getByText("The passkey was removed.")).toBeVisible();
  await expect(page.getByRole("list", { name: "Your passkeys" })).toHaveCount(0);
});

test("@js-on what a passkey signed is taken once, from its own browser, for what it was asked", async ({ page, provoked }) => {
  provoked.add(401);
  const account = someone("Replay");
  await signUp(page, account);
  await Device.plugIn(page);
  await add(page, "Key");
  await forget(page);
  let sent = "";
  await page.route("**/api/answer_passkey", async (route) => {
    sent = route.request().postData()!;
    // Changed by one character of the signature.
    const body = JSON.parse(sent) as { answer: string };
    const answer = JSON.parse(body.answer) as { response: { signature: string } };
    const { signature } = answer.response;
    answer.response.signature = signature.slice(0, 20) + (signature[20] === "A" ? "B" : "A") + signature.slice(21);
    await route.continue({ postData: JSON.stringify({ ...body, answer: JSON.stringify(answer) }) });
  });
  await visit(page, "/login");
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await expect(page.getByText("This passkey was not accepted.")).toBeVisible();
  await page.unroute("**/api/answer_passkey");

  // The one that was right, but whose question was answered already.
  const origin = new URL(page.url()).origin;
  const headers = { origin, "content-type": "application/json", accept: "application/json" };
  const again = await page.request.post("/api/answer_passkey", { headers, data: sent });
  expect(again.status()).toBe(401);
  // Another question: what was signed for the one before does not answer it.
  const data = JSON.stringify({ purpose: "sign_in" });
  expect((await page.request.post("/api/ask_passkey", { headers, data })).status()).toBe(200);
  expect((await page.request.post("/api/answer_passkey", { headers, data: sent })).status()).toBe(401);
  await visit(page, "/account");
  await expect(page).toHaveURL(/\/login\?next=/);
});

test("@js-off passkeys say that they need JavaScript", async ({ page }) => {
  expect(scripted()).toBe(false);
  await page.goto("/login");
  await expect(page.getByText("Passkeys need JavaScript")).toBeVisible();
  await expect(page.getByRole("button", { name: "Sign in with a passkey" })).toBeHidden();
  await signUp(page, someone("Scriptless"));
  await page.goto("/account/security");
  await expect(page.getByText("Passkeys need JavaScript")).toBeVisible();
  await expect(page.getByRole("button", { name: "Add a passkey" })).toBeHidden();
});
