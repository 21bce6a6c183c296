// Signing up, in and out.
import { stack } from "../support/stack.ts";
import { expect, forget, residentCluster, scripted, settled, signIn, signUp, someone, test, visit } from "../support/test.ts";

const WRONG = "That e-mail address and password do not match an account.";

test.describe("signing in", () => {
  for (const [what, email, password] of [
    ["a wrong password", () => stack().resident.email, "not the password at all"],
    ["an unknown address", () => "nobody@example.com", "not the password at all"],
    ["something that is no address", () => "no.body@x", "not the password at all"],
  ] as const) {
    test(`one sentence for ${what}`, async ({ page, provoked }) => {
      provoked.add(401);
      await visit(page, "/login");
      await page.getByLabel("E-mail address").fill(email());
      await page.getByLabel("Password").fill(password);
      await page.getByRole("button", { name: "Sign in", exact: true }).click();
      await expect(page.getByRole("alert").filter({ hasText: WRONG })).toBeVisible();
      await expect(page).toHaveURL(/\/login/);
    });
  }

  test("leads to the page that was asked for", async ({ page }) => {
    const wanted = `${residentCluster()}/workloads?namespace=shop`;
    await page.goto(wanted);
    await expect(page).toHaveURL(`/login?next=${encodeURIComponent(wanted)}`);
    await settled(page);
    await expect(page.getByText("Sign in to see the page you asked for.")).toBeVisible();
    await page.getByLabel("E-mail address").fill(stack().resident.email);
    await page.getByLabel("Password").fill(stack().resident.password);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await expect(page).toHaveURL(wanted);
    await expect(page.getByRole("heading", { name: "eu-prod" })).toBeVisible();
  });

  for (const foreign of ["https://evil.example/", "//evil.example/", "/\\evil.example"]) {
    test(`does not lead to ${foreign}`, async ({ page }) => {
      await visit(page, `/login?next=${encodeURIComponent(foreign)}`);
      await page.getByLabel("E-mail address").fill(stack().resident.email);
      await page.getByLabel("Password").fill(stack().resident.password);
      await page.getByRole("button", { name: "Sign in", exact: true }).click();
      await expect(page).toHaveURL(`/o/${stack().resident.slug}/`);
    });
  }
});

test("signing out ends the session", async ({ resident }) => {
  const menu = resident.getByRole("navigation", { name: "Main", exact: true }).locator("details.menu.foot");
  await menu.locator("summary").click();
  await expect(menu.getByText(stack().resident.email)).toBeVisible();
  await menu.getByRole("button", { name: "Sign out" }).click();
  await expect(resident).toHaveURL("/");
  await expect(resident.getByRole("link", { name: "Create an account" })).toBeVisible();
  await resident.goto(`/o/${stack().resident.slug}/`);
  await expect(resident).toHaveURL(/\/login\?next=/);
});

test("the first page leads on who is signed in", async ({ resident }) => {
  await visit(resident, "/");
  await resident.getByRole("link", { name: "Open Northwind Retail" }).click();
  await expect(resident.getByRole("heading", { name: "Overview" })).toBeVisible();
});

test.describe("signing up", () => {
  test("says at the field what is wrong with it", async ({ page, provoked }) => {
    provoked.add(422);
    await visit(page, "/signup");
    await page.getByLabel("Your name").fill("Jonas");
    await page.getByLabel("E-mail address").fill("jonas@example");
    await page.getByLabel("Organisation").fill("Acme");
    await page.getByLabel("Password").fill("harbour lemon quilt thunder");
    await page.getByRole("button", { name: "Create account" }).click();
    const email = page.getByLabel("E-mail address");
    await expect(email).toHaveAttribute("aria-invalid", "true");
    await expect(email).toHaveAccessibleDescription(/is not an address like name@example.com/);
    if (scripted()) {
      await expect(email, "what was typed is still there").toHaveValue("jonas@example");
      await expect(email, "the keyboard is where the mistake is").toBeFocused();
    }
  });

  test("refuses a password that is guessed quickly", async ({ page, provoked }) => {
    provoked.add(422);
    const account = { ...someone("Weak"), password: "password1234" };
    await visit(page, "/signup");
    await page.getByLabel("Your name").fill(account.name);
    await page.getByLabel("E-mail address").fill(account.email);
    await page.getByLabel("Organisation").fill(account.organisation);
    await expect(page.getByLabel("Password")).toHaveAttribute("type", "password");
    await expect(page.getByLabel("Password")).toHaveAttribute("autocomplete", "new-password");
    await page.getByLabel("Password").fill(account.password);
    await page.getByRole("button", { name: "Create account" }).click();
    await expect(page.getByLabel("Password")).toHaveAccessibleDescription(
      /can be guessed too easily: it is on the lists of stolen passwords that are tried first\. Take a few words/,
    );
  });

  test("says what makes a password weak while it is typed @js-on", async ({ page }) => {
    const account = someone("Quillfeather");
    await visit(page, "/signup");
    await page.getByLabel("Your name").fill(account.name);
    await page.getByLabel("Organisation").fill(account.organisation);
    const password = page.getByLabel("Password");
    const said = page.getByRole("status");
    await password.fill("short");
    await expect(said).toBeEmpty();
    for (const [typed, sentence] of [
      ["constitutional", "a word by itself is tried early"],
      ["sevgeyq9v7kor", "it is on the lists of stolen passwords that are tried first"],
      ["quillfeather2", "it is made of your own name, address or organisation"],
    ] as const) {
      await password.fill(typed);
      await expect(said).toHaveText(new RegExp(`can be guessed too easily: ${sentence}`));
    }
    await password.fill(account.password);
    await expect(said).toHaveText("The password is hard to guess.");
    await password.fill("");
    await expect(said).toBeEmpty();
  });

  test("makes an account that can sign in", async ({ page }) => {
    const account = someone("Fresh");
    await signUp(page, account);
    await forget(page);
    await signIn(page, account);
    await expect(page.getByRole("navigation", { name: "Main", exact: true })).toContainText(account.organisation);
  });
});
