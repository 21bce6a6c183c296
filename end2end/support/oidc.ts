// The OpenID Connect issuer of the tests: a certified one, which asks whoever comes for a name and any password.
import { once } from "node:events";
import { createServer } from "node:http";

import { type Page, expect } from "@playwright/test";
import Provider from "oidc-provider";

const CLIENT = "kubewise";
const SECRET = "a secret of the client";

/** Starts it for the server at this address; whoever signs in is who they say, with an address that is theirs. */
export async function issuer(port: number, server: string) {
  const url = `http://localhost:${port}`;
  const provider = new Provider(url, {
    clients: [{ client_id: CLIENT, client_secret: SECRET, redirect_uris: [`${server}/login/google/callback`] }],
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    findAccount: (_context: unknown, id: string) => ({
      accountId: id,
      claims: () => ({ sub: id, email: id, email_verified: !id.startsWith("unproven"), name: "Jonas Pohl" }),
    }),
    cookies: { keys: ["of the tests"] },
  });
  const listening = createServer(provider.callback()).listen(port, "localhost");
  await once(listening, "listening");
  return {
    env: { KUBEWISE_GOOGLE_ISSUER: url, KUBEWISE_GOOGLE_CLIENT_ID: CLIENT, KUBEWISE_GOOGLE_CLIENT_SECRET: SECRET },
    stop: () =>
      new Promise<void>((ended) => {
        listening.close(() => ended());
        listening.closeAllConnections();
      }),
  };
}

/** Its pages ask another site for a font, which the tests have no way to. */
export async function withoutFonts(page: Page) {
  await page.route("https://fonts.googleapis.com/**", (route) => route.fulfill({ contentType: "text/css", body: "" }));
}

/** Signs in there. */
export async function signInThere(page: Page, email: string) {
  await page.getByPlaceholder("Enter any login").fill(email);
  await page.getByPlaceholder("and password").fill("any");
  await page.getByRole("button", { name: "Sign-in" }).click();
}

/** Agrees that we are told who it is. */
export async function agree(page: Page) {
  await expect(page.getByRole("heading", { name: "Authorize" })).toBeVisible();
  await page.getByRole("button", { name: "Continue" }).click();
}
