-- What proves that a person reads the address they gave, and lets them in when they forgot their password.

ALTER TABLE users ADD COLUMN email_verified_at timestamptz;

-- Links sent by mail: each opens one thing, once, for a while.
CREATE TABLE account_links (
  -- SHA-256 of what the link carries: who reads this table can open nothing.
  hash       bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
  user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  purpose    text NOT NULL CHECK (purpose IN ('verify_address', 'change_address', 'reset_password')),
  -- The address it was sent to: what a link proves is that somebody reads this one.
  email      text NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE INDEX account_links_user ON account_links (user_id, purpose, created_at);
CREATE INDEX account_links_expires ON account_links (expires_at);
REVOKE ALL ON account_links FROM PUBLIC;

-- Pages open links; the worker makes them, at the moment it sends them, so that what a link carries is nowhere but in the mail.
GRANT SELECT, DELETE ON account_links TO kubewise_web;
GRANT SELECT (user_id, purpose, created_at, expires_at), INSERT, DELETE ON account_links TO kubewise_worker;
GRANT UPDATE (name, email, email_canonical, email_verified_at, password_hash) ON users TO kubewise_web;
GRANT SELECT (id, name, email, email_canonical) ON users TO kubewise_worker;
