-- What was done stays known; who did it, and what a line was about, can be forgotten (docs/adr/0032).

-- As whom the activity log of an organisation knows a person. It stays when a membership ends, and goes with the account:
-- this row is all that connects the two.
CREATE TABLE pseudonyms (
  org_id    uuid NOT NULL REFERENCES organisations ON DELETE CASCADE,
  pseudonym uuid NOT NULL,
  user_id   uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  PRIMARY KEY (org_id, pseudonym),
  UNIQUE (org_id, user_id)
);
CREATE INDEX pseudonyms_user ON pseudonyms (user_id);

ALTER TABLE pseudonyms ENABLE ROW LEVEL SECURITY;
ALTER TABLE pseudonyms FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON pseudonyms USING (org_id = current_org()) WITH CHECK (org_id = current_org());
-- A person's organisations, also those that they left.
CREATE POLICY own ON pseudonyms FOR SELECT TO kubewise_web, kubewise_worker USING (user_id = asking_user());
-- By the trigger below, whatever the transaction stated.
CREATE POLICY made ON pseudonyms FOR INSERT TO kubewise_owner WITH CHECK (true);
REVOKE ALL ON pseudonyms FROM PUBLIC;
GRANT SELECT ON pseudonyms TO kubewise_web, kubewise_worker;

-- Whoever becomes a member has one from then on, so that whoever does something in an organisation has one.
CREATE FUNCTION give_pseudonym() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO pseudonyms (org_id, pseudonym, user_id) VALUES (NEW.org_id, gen_random_uuid(), NEW.user_id)
    ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION give_pseudonym() FROM PUBLIC;
CREATE TRIGGER memberships_pseudonym AFTER INSERT ON memberships FOR EACH ROW EXECUTE FUNCTION give_pseudonym();

-- Lines that were written before name people by the ids of their accounts: those are the pseudonyms of who is a member, or
-- is named in a log and has an account.
INSERT INTO pseudonyms (org_id, pseudonym, user_id) SELECT org_id, user_id, user_id FROM memberships;
DO $$
DECLARE
  org uuid;
BEGIN
  FOR org IN SELECT id FROM organisations LOOP
    PERFORM set_config('kubewise.org_id', org::text, true);
    INSERT INTO pseudonyms (org_id, pseudonym, user_id)
      SELECT org, u.id, u.id FROM users u
      WHERE u.id IN (SELECT person_id FROM activity WHERE org_id = org
                     UNION SELECT subject_id FROM activity WHERE org_id = org)
      ON CONFLICT DO NOTHING;
  END LOOP;
  PERFORM set_config('kubewise.org_id', '', true);
END
$$;

ALTER TABLE activity
  -- SHA-256 over the salt and all of the line that can be forgotten: subject_id, subject, cluster_id, before and after. The
  -- line's hash is over this instead. Lines that were written before have neither.
  ADD COLUMN salt bytea CHECK (octet_length(salt) = 16),
  ADD COLUMN commitment bytea CHECK (octet_length(commitment) = 32),
  -- Since when nothing of that, nor the salt, is there any more.
  ADD COLUMN erased_at timestamptz;
COMMENT ON COLUMN activity.person_id IS 'A pseudonym, and so is subject_id where it is a person.';

-- Pages write lines, whole ones.
REVOKE INSERT ON activity FROM kubewise_web;
GRANT INSERT (org_id, seq, at, person_id, token_id, place, action, subject_id, subject, cluster_id, before, after, hash, salt,
              commitment) ON activity TO kubewise_web;
-- The worker empties them, and can write nothing into them.
GRANT SELECT (org_id, seq, subject_id, subject, cluster_id, before, after, erased_at),
  UPDATE (salt, subject_id, subject, cluster_id, before, after, erased_at) ON activity TO kubewise_worker;
CREATE POLICY emptied ON activity AS RESTRICTIVE FOR UPDATE TO kubewise_worker USING (true)
  WITH CHECK (erased_at IS NOT NULL AND num_nonnulls(salt, subject_id, subject, cluster_id, before, after) = 0);

-- Columns that hold whose doing something was, which is forgotten with the account.
ALTER TABLE invitations ALTER COLUMN invited_by DROP NOT NULL;
ALTER TABLE api_tokens ALTER COLUMN created_by DROP NOT NULL;
ALTER TABLE notifications ALTER COLUMN created_by DROP NOT NULL;
CREATE INDEX invitations_address ON invitations (email_canonical);
GRANT SELECT (email_canonical), UPDATE (invited_by), DELETE ON invitations TO kubewise_worker;
GRANT SELECT (name, created_by), UPDATE (name, created_by) ON api_tokens TO kubewise_worker;
GRANT UPDATE (name, created_by) ON notifications TO kubewise_worker;
GRANT UPDATE (requested_by) ON audit_runs TO kubewise_worker;
GRANT UPDATE (owner, reason, requested_by, approved_by, ended_by) ON waivers TO kubewise_worker;

-- Where an address was invited, before it is known which tenants those are: nothing but the ids of organisations is answered.
CREATE FUNCTION organisations_inviting(address text) RETURNS TABLE (org_id uuid)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT DISTINCT i.org_id FROM invitations i WHERE i.email_canonical = address
  $$;
REVOKE ALL ON FUNCTION organisations_inviting(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION organisations_inviting(text) TO kubewise_worker;
