-- What a person has besides a password: an authenticator app, passkeys, and codes for when both are lost.

CREATE TABLE authenticators (
  user_id      uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
  -- The seed, encrypted under the master key: who reads this table can compute no code.
  seed         bytea NOT NULL,
  created_at   timestamptz NOT NULL,
  -- Empty until a first code showed that the app has the seed.
  confirmed_at timestamptz,
  -- The time step (RFC 6238) of the last code that was taken: none is taken twice.
  last_step    bigint
);

CREATE TABLE recovery_codes (
  user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  -- SHA-256 of the code, which has 120 random bits.
  hash       bytea NOT NULL CHECK (octet_length(hash) = 32),
  created_at timestamptz NOT NULL,
  PRIMARY KEY (user_id, hash)
);

CREATE TABLE passkeys (
  user_id       uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  -- The credential's id: an authenticator sends it, and says by it which key it signs with.
  credential_id bytea NOT NULL UNIQUE,
  -- What the person calls it.
  name          text NOT NULL,
  -- The public key and its counter, as webauthn-rs writes them.
  passkey       jsonb NOT NULL,
  created_at    timestamptz NOT NULL,
  last_used_at  timestamptz,
  PRIMARY KEY (user_id, credential_id)
);

-- Whether members without a second factor see nothing of the organisation.
ALTER TABLE organisations ADD COLUMN requires_second_factor boolean NOT NULL DEFAULT false;

REVOKE ALL ON authenticators, recovery_codes, passkeys FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON authenticators, passkeys TO kubewise_web;
GRANT SELECT, INSERT, DELETE ON recovery_codes TO kubewise_web;
GRANT UPDATE (requires_second_factor) ON organisations TO kubewise_web;
