-- What a person takes out that is held about them: made by a job, kept encrypted under their key, taken by the link of one
-- mail.
CREATE TABLE exports (
  id           uuid PRIMARY KEY,
  user_id      uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  requested_at timestamptz NOT NULL,
  -- When a job for it is made anew, if it is not there by then: a server was lost.
  next_try_at  timestamptz NOT NULL,
  -- In the bucket, and how large it is there. Null until it is made, and when it is gone.
  object       text,
  bytes        bigint,
  made_at      timestamptz,
  expires_at   timestamptz,
  -- SHA-256 of what the link in the mail carries; made by the worker when it sends it.
  hash         bytea UNIQUE CHECK (octet_length(hash) = 32),
  used_at      timestamptz,
  CONSTRAINT exports_made CHECK ((made_at IS NULL) = (expires_at IS NULL))
);
CREATE INDEX exports_user ON exports (user_id, requested_at DESC);
-- One that is being made for each person.
CREATE UNIQUE INDEX exports_waiting ON exports (user_id) WHERE made_at IS NULL;
CREATE INDEX exports_due ON exports (next_try_at) WHERE made_at IS NULL;
CREATE INDEX exports_expires ON exports (expires_at);

ALTER TABLE exports ENABLE ROW LEVEL SECURITY;
ALTER TABLE exports FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON exports TO kubewise_web USING (user_id = asking_user()) WITH CHECK (user_id = asking_user());
CREATE POLICY made ON exports TO kubewise_worker USING (true);
CREATE POLICY all_of_them ON exports TO kubewise_owner USING (true);
REVOKE ALL ON exports FROM PUBLIC;
GRANT SELECT, INSERT (id, user_id, requested_at, next_try_at), UPDATE (used_at) ON exports TO kubewise_web;
GRANT SELECT, UPDATE (next_try_at, object, bytes, made_at, expires_at, hash), DELETE ON exports TO kubewise_worker;
