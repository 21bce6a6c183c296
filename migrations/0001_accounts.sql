-- People, sessions, organisations. A transaction states who asks (kubewise.user_id) and in which organisation
-- (kubewise.org_id); without them nothing of a tenant is visible.

CREATE FUNCTION current_org() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
  RETURN nullif(current_setting('kubewise.org_id', true), '')::uuid;

CREATE FUNCTION asking_user() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
  RETURN nullif(current_setting('kubewise.user_id', true), '')::uuid;

CREATE TABLE users (
  id              uuid PRIMARY KEY,
  name            text NOT NULL,
  email           text NOT NULL,
  -- What is compared: two addresses that differ only in case are one account.
  email_canonical text NOT NULL UNIQUE,
  -- PHC string, argon2id.
  password_hash   text NOT NULL,
  created_at      timestamptz NOT NULL
);

CREATE TABLE sessions (
  -- SHA-256 of the session id: who reads this table cannot become anybody.
  id_hash      bytea PRIMARY KEY CHECK (octet_length(id_hash) = 32),
  user_id      uuid REFERENCES users ON DELETE CASCADE,
  data         jsonb NOT NULL,
  created_at   timestamptz NOT NULL,
  last_seen_at timestamptz NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_last_seen ON sessions (last_seen_at);

CREATE TABLE organisations (
  id            uuid PRIMARY KEY,
  slug          text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?$'),
  name          text NOT NULL,
  -- Most objects that all clusters together may hold; none: no limit.
  max_resources bigint CHECK (max_resources >= 0),
  created_at    timestamptz NOT NULL
);

CREATE TABLE memberships (
  org_id     uuid NOT NULL REFERENCES organisations ON DELETE CASCADE,
  user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  role       text NOT NULL CHECK (role IN ('owner', 'admin', 'operator', 'viewer', 'billing')),
  created_at timestamptz NOT NULL,
  PRIMARY KEY (org_id, user_id)
);
CREATE INDEX memberships_user ON memberships (user_id);

ALTER TABLE organisations ENABLE ROW LEVEL SECURITY;
ALTER TABLE organisations FORCE ROW LEVEL SECURITY;
ALTER TABLE memberships ENABLE ROW LEVEL SECURITY;
ALTER TABLE memberships FORCE ROW LEVEL SECURITY;

-- One's own memberships are visible before an organisation is chosen: they are the choice.
CREATE POLICY tenant ON memberships
  USING (org_id = current_org() OR user_id = asking_user())
  WITH CHECK (org_id = current_org());
CREATE POLICY tenant ON organisations USING (id = current_org()) WITH CHECK (id = current_org());
-- For pages alone: other parts may not read who is a member.
CREATE POLICY member ON organisations FOR SELECT TO kubewise_web
  USING (EXISTS (SELECT FROM memberships m WHERE m.org_id = organisations.id AND m.user_id = asking_user()));

-- Whoever runs the installation sees which organisations there are and who is in them, and nothing of their clusters.
CREATE POLICY installation ON memberships FOR SELECT TO kubewise_owner USING (true);
CREATE POLICY installation ON organisations FOR SELECT TO kubewise_owner USING (true);

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO kubewise_web, kubewise_ingest, kubewise_worker, kubewise_search;
GRANT SELECT, INSERT ON users, organisations, memberships TO kubewise_web;
GRANT SELECT, INSERT, UPDATE, DELETE ON sessions TO kubewise_web;
-- Ended sessions are removed by the worker, which sees when they ended and nothing else.
GRANT SELECT (created_at, last_seen_at), DELETE ON sessions TO kubewise_worker;
GRANT SELECT (id, max_resources) ON organisations TO kubewise_ingest;
