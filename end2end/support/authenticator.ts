// What people hold in their hand: an authenticator app, and a device that keeps passkeys.
import type { CDPSession, Page } from "@playwright/test";
import { Secret, TOTP } from "otpauth";

/** An authenticator app, from the key that the page shows. */
export class App {
  private readonly totp: TOTP;
  private last = 0;

  constructor(key: string) {
    this.totp = new TOTP({ secret: Secret.fromBase32(key), algorithm: "SHA1", digits: 6, period: 30 });
  }

  /** A code that was not shown before: waits for the next one, as a person does. */
  async code(): Promise<string> {
    let step = Math.floor(Date.now() / 30_000);
    if (step <= this.last) {
      // The server takes the code of the next half minute as well: clocks differ.
      step = this.last + 1;
      while (Math.floor(Date.now() / 30_000) < step - 1) await new Promise((ready) => setTimeout(ready, 250));
    }
    this.last = step;
    return this.totp.generate({ timestamp: step * 30_000 });
  }

  /** The code that was shown last. */
  lastCode(): string {
    return this.totp.generate({ timestamp: this.last * 30_000 });
  }
}

/** A device that keeps passkeys, and whose person puts a finger on it whenever asked. */
export class Device {
  private constructor(
    private readonly cdp: CDPSession,
    private readonly id: string,
  ) {}

  static async plugIn(page: Page): Promise<Device> {
    const cdp = await page.context().newCDPSession(page);
    await cdp.send("WebAuthn.enable");
    const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", {
      options: {
        protocol: "ctap2",
        transport: "internal",
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
    return new Device(cdp, authenticatorId);
  }

  /** From now on the finger is not theirs. */
  async refuse() {
    await this.cdp.send("WebAuthn.setUserVerified", { authenticatorId: this.id, isUserVerified: false });
  }

  async credentials() {
    return (await this.cdp.send("WebAuthn.getCredentials", { authenticatorId: this.id })).credentials;
  }

  async forget() {
    await this.cdp.send("WebAuthn.clearCredentials", { authenticatorId: this.id });
  }
}
