-- Who did what to what, from where and when. Rows are added by pages and changed by nobody; each carries the hash of all
-- before it, and the last one is sealed under the master key, so that what is removed or changed behind the server's
-- back is found (docs/adr/0019).
CREATE TABLE activity (
  org_id     uuid NOT NULL REFERENCES organisations ON DELETE CASCADE,
  -- 1, 2, 3 … within the organisation.
  seq        bigint NOT NULL,
  at         timestamptz NOT NULL,
  -- Who did it: a person, a token of the organisation, or a person by a token of theirs. None: whoever runs the server.
  person_id  uuid,
  token_id   uuid,
  -- From which network.
  place      text NOT NULL,
  action     text NOT NULL,
  -- To what: the id of a person, cluster, invitation or token, by the action; and what it is called, if it is no person.
  subject_id uuid,
  subject    text,
  -- The cluster that it is about: who does not see it does not see what was done to it.
  cluster_id uuid,
  -- As it was written, to the byte: the hash is of it.
  before     json,
  after      json,
  hash       bytea NOT NULL CHECK (octet_length(hash) = 32),
  PRIMARY KEY (org_id, seq)
);
CREATE INDEX activity_person ON activity (org_id, person_id, seq);
CREATE INDEX activity_action ON activity (org_id, action, seq);
CREATE INDEX activity_cluster ON activity (org_id, cluster_id, seq) WHERE cluster_id IS NOT NULL;

-- The last row's number and hash, encrypted under the master key: who can write here cannot make one.
CREATE TABLE activity_heads (
  org_id uuid PRIMARY KEY REFERENCES organisations ON DELETE CASCADE,
  sealed bytea NOT NULL
);

DO $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['activity', 'activity_heads'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (org_id = current_org()) WITH CHECK (org_id = current_org())', t);
    EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', t);
  END LOOP;
END
$$;
-- What was done to the organisation as a whole is for who sees all of it.
CREATE POLICY seen_clusters ON activity AS RESTRICTIVE FOR SELECT TO kubewise_web
  USING ((SELECT sees_every_cluster()) OR cluster_id = ANY ((SELECT seen_clusters())::uuid[]));

GRANT SELECT, INSERT ON activity TO kubewise_web;
GRANT SELECT, INSERT, UPDATE (sealed) ON activity_heads TO kubewise_web;
