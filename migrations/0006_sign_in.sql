-- What slows down who guesses, and tells a person of a sign-in that may not be theirs.

-- Attempts, counted by all processes together. Nothing is lost if a crash empties it.
CREATE UNLOGGED TABLE attempts (
  -- SHA-256 of what is counted: an account with an address, an address, an account.
  key      bytea PRIMARY KEY CHECK (octet_length(key) = 32),
  failures integer NOT NULL,
  -- Before this no further one is looked at.
  until    timestamptz NOT NULL,
  last_at  timestamptz NOT NULL
);
CREATE INDEX attempts_last ON attempts (last_at);

-- Browsers that an account was signed in with.
CREATE TABLE known_browsers (
  user_id      uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  -- SHA-256 of what the browser keeps in a cookie.
  hash         bytea NOT NULL CHECK (octet_length(hash) = 32),
  created_at   timestamptz NOT NULL,
  last_seen_at timestamptz NOT NULL,
  PRIMARY KEY (user_id, hash)
);
CREATE INDEX known_browsers_hash ON known_browsers (hash);
CREATE INDEX known_browsers_last ON known_browsers (last_seen_at);

REVOKE ALL ON attempts, known_browsers FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON attempts, known_browsers TO kubewise_web;
GRANT SELECT (last_at), DELETE ON attempts TO kubewise_worker;
GRANT SELECT (last_seen_at), DELETE ON known_browsers TO kubewise_worker;
