-- Data keys in two halves: one here, wrapped by the master key, the other in the key store, which no copy of this database
-- holds (docs/adr/0033). Whoever destroys one destroys what the key encrypted, in copies too.

-- False: from before there were halves; what is sealed is the whole key.
ALTER TABLE organisation_keys ADD COLUMN shared boolean NOT NULL DEFAULT false;

CREATE TABLE person_keys (
  user_id    uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
  sealed     bytea NOT NULL,
  created_at timestamptz NOT NULL
);

-- Which master key halves are wrapped by, and which key store has the others: what tells them from others, and nothing of
-- them.
CREATE TABLE installation (
  one        boolean PRIMARY KEY DEFAULT true CHECK (one),
  master_key bytea NOT NULL CHECK (octet_length(master_key) = 4),
  key_store  uuid NOT NULL,
  set_at     timestamptz NOT NULL
);

-- What certificates are signed with (Ed25519). Old ones stay, so that what they signed can be verified.
CREATE TABLE signing_keys (
  -- The beginning of the SHA-256 of the public key.
  id         bytea PRIMARY KEY CHECK (octet_length(id) = 8),
  public_key bytea NOT NULL CHECK (octet_length(public_key) = 32),
  -- What it is made from, wrapped by the master key.
  sealed     bytea NOT NULL,
  created_at timestamptz NOT NULL
);

REVOKE ALL ON person_keys, installation, signing_keys FROM PUBLIC;
GRANT SELECT (shared), INSERT ON organisation_keys TO kubewise_web;
GRANT SELECT, INSERT ON person_keys TO kubewise_web;
GRANT SELECT, INSERT, DELETE ON person_keys TO kubewise_worker;
GRANT SELECT, INSERT ON installation TO kubewise_web, kubewise_worker;
GRANT SELECT (id, public_key, created_at) ON signing_keys TO kubewise_web;
GRANT SELECT, INSERT ON signing_keys TO kubewise_worker;
