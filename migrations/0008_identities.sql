-- Who a person is at an OpenID Connect issuer, by whom they sign in instead of with a password.

CREATE TABLE identities (
  issuer       text NOT NULL,
  -- The issuer's own name for the person: never given to another, as an address may be (OpenID Connect Core 1.0 §5.7).
  subject      text NOT NULL,
  user_id      uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  -- The address that the issuer last named: for the person to recognise.
  email        text NOT NULL,
  created_at   timestamptz NOT NULL,
  last_used_at timestamptz NOT NULL,
  PRIMARY KEY (issuer, subject),
  UNIQUE (user_id, issuer)
);

-- Who came by an issuer has no password until they set one.
ALTER TABLE users ALTER COLUMN password_hash DROP NOT NULL;

REVOKE ALL ON identities FROM PUBLIC;
GRANT SELECT, INSERT, DELETE ON identities TO kubewise_web;
GRANT UPDATE (email, last_used_at) ON identities TO kubewise_web;
