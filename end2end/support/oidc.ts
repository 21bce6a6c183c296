// The OpenID Connect issuer of the tests: a certified one, which asks whoever comes for a name and any password.
import { generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";

import { type Page, expect } from "@playwright/test";
import Provider from "oidc-provider";

const CLIENT = "kubewise";
const SECRET = "a secret of the client";

const KEY = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;

/** What can be wrong with an ID token: who signs in as `tampered-HOW-…` gets one like that. */
export const TAMPERED = ["signature", "none", "audience", "issuer", "nonce", "expired"] as const;

function tampered(token: string): string {
  const [head, body, signature] = token.split(".") as [string, string, string];
  const claims = JSON.parse(Buffer.from(body, "base64url").toString()) as Record<string, unknown>;
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = (changed: Record<string, unknown>) => {
    const text = `${head}.${encode({ ...claims, ...changed })}`;
    return `${text}.${sign("RSA-SHA256", Buffer.from(text), KEY).toString("base64url")}`;
  };
  const now = Math.floor(Date.now() / 1000);
  switch (/^tampered-(\w+)-/.exec(String(claims.sub))?.[1]) {
    case "signature":
      return `${head}.${body}.${signature.slice(0, 20)}${signature[20] === "A" ? "B" : "A"}${signature.slice(21)}`;
    case "none":
      return `${encode({ alg: "none", typ: "JWT" })}.${body}.`;
    case "audience":
      return signed({ aud: "somebody-else" });
    case "issuer":
      return signed({ iss: "http://localhost:1" });
    case "nonce":
      return signed({ nonce: "another" });
    case "expired":
      return signed({ iat: now - 7200, exp: now - 3600 });
    default:
      return token;
  }
}

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
    jwks: { keys: [{ ...KEY.export({ format: "jwk" }), kid: "tests", use: "sig", alg: "RS256" }] },
  });
  provider.use(async (context: { path: string; body?: { id_token?: string } }, next: () => Promise<void>) => {
    await next();
    if (context.path === "/token" && context.body?.id_token) context.body.id_token = tampered(context.body.id_token);
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
