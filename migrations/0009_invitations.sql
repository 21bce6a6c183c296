-- Invitations to make an account, by whoever runs the installation.
CREATE TABLE sign_up_invitations (
  -- SHA-256 of what the link carries.
  hash            bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
  -- The address that may use it.
  email_canonical text NOT NULL,
  created_at      timestamptz NOT NULL,
  expires_at      timestamptz NOT NULL
);
CREATE INDEX sign_up_invitations_expires ON sign_up_invitations (expires_at);
REVOKE ALL ON sign_up_invitations FROM PUBLIC;
GRANT SELECT, DELETE ON sign_up_invitations TO kubewise_web;
GRANT SELECT (expires_at), DELETE ON sign_up_invitations TO kubewise_worker;
