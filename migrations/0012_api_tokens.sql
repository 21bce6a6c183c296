-- Tokens by which scripts ask the API: of one person, who they can do no more than, or of the organisation.
CREATE TABLE api_tokens (
  org_id       uuid NOT NULL REFERENCES organisations ON DELETE CASCADE,
  id           uuid NOT NULL,
  -- SHA-256 of the token.
  hash         bytea NOT NULL CHECK (octet_length(hash) = 32),
  name         text NOT NULL,
  -- Whose it is; null: the organisation's. It ends with the membership.
  user_id      uuid,
  created_by   uuid NOT NULL,
  permissions  text[] NOT NULL,
  -- Only these clusters; null: all that its owner sees.
  clusters     uuid[],
  created_at   timestamptz NOT NULL,
  expires_at   timestamptz NOT NULL,
  last_used_at timestamptz,
  revoked_at   timestamptz,
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX api_tokens_hash ON api_tokens (org_id, hash);
CREATE INDEX api_tokens_user ON api_tokens (org_id, user_id);

-- Requests of each token in the minute that runs. Nothing is lost if a crash empties it.
CREATE UNLOGGED TABLE api_token_minutes (
  org_id   uuid NOT NULL,
  token_id uuid NOT NULL,
  began_at timestamptz NOT NULL,
  requests integer NOT NULL,
  PRIMARY KEY (org_id, token_id)
);

DO $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['api_tokens', 'api_token_minutes'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (org_id = current_org()) WITH CHECK (org_id = current_org())', t);
    EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', t);
  END LOOP;
END
$$;
GRANT SELECT (org_id, id, name, user_id, created_by, permissions, clusters, created_at, expires_at, last_used_at,
              revoked_at, hash), INSERT, UPDATE (last_used_at, revoked_at) ON api_tokens TO kubewise_web;
GRANT SELECT, INSERT, UPDATE ON api_token_minutes TO kubewise_web;
GRANT SELECT (org_id, id, clusters), UPDATE (clusters) ON api_tokens TO kubewise_worker;
