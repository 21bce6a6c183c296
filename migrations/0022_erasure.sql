-- Deletions that were asked for, and the certificates of those that are done (docs/adr/0036). A row is the permission to
-- delete: pages make it in the right of who asks, the worker, which deletes, can make none.
CREATE TABLE erasures (
  id           uuid PRIMARY KEY,
  kind         text NOT NULL CHECK (kind IN ('account', 'cluster', 'organisation')),
  -- SHA-256 of what the address of its page carries: one for the browser that asked, one for the mail.
  hash         bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
  mail_hash    bytea UNIQUE CHECK (octet_length(mail_hash) = 32),
  -- What is deleted; at the end, null, but for the organisation of a cluster.
  user_id      uuid,
  org_id       uuid,
  cluster_id   uuid,
  requested_at timestamptz NOT NULL,
  -- Until then it can be undone.
  due_at       timestamptz NOT NULL,
  -- When a job for it is made anew, if it has not ended by then: a server was lost, or what it needs is away.
  next_try_at  timestamptz NOT NULL,
  begun_at     timestamptz,
  -- What there was when it began: {"rows": {"clusters": 3, …}, "objects": 12, "bytes": 40960}.
  held         jsonb,
  ended_at     timestamptz,
  -- The signed certificate (crates/backend/src/certificates.rs).
  certificate  text,
  CONSTRAINT erasures_of CHECK (ended_at IS NOT NULL OR CASE kind
    WHEN 'account' THEN user_id IS NOT NULL AND org_id IS NULL AND cluster_id IS NULL
    WHEN 'cluster' THEN user_id IS NULL AND org_id IS NOT NULL AND cluster_id IS NOT NULL
    ELSE user_id IS NULL AND org_id IS NOT NULL AND cluster_id IS NULL END),
  CONSTRAINT erasures_certified CHECK ((ended_at IS NULL) = (certificate IS NULL))
);
CREATE UNIQUE INDEX erasures_user ON erasures (user_id);
CREATE UNIQUE INDEX erasures_organisation ON erasures (org_id) WHERE kind = 'organisation';
CREATE UNIQUE INDEX erasures_cluster ON erasures (org_id, cluster_id) WHERE cluster_id IS NOT NULL;
CREATE INDEX erasures_of_organisation ON erasures (org_id, requested_at);
CREATE INDEX erasures_due ON erasures (next_try_at) WHERE ended_at IS NULL;
CREATE INDEX erasures_ended ON erasures (ended_at);

ALTER TABLE erasures ENABLE ROW LEVEL SECURITY;
ALTER TABLE erasures FORCE ROW LEVEL SECURITY;
CREATE POLICY asked ON erasures TO kubewise_web
  USING (CASE kind WHEN 'account' THEN user_id = asking_user() ELSE org_id = current_org() END)
  WITH CHECK (begun_at IS NULL AND CASE kind WHEN 'account' THEN user_id = asking_user() ELSE org_id = current_org() END);
CREATE POLICY done ON erasures TO kubewise_worker USING (true);
CREATE POLICY all_of_them ON erasures TO kubewise_owner USING (true);
REVOKE ALL ON erasures FROM PUBLIC;
GRANT SELECT (id, kind, user_id, org_id, cluster_id, requested_at, due_at, begun_at, ended_at, certificate), DELETE
  ON erasures TO kubewise_web;
GRANT INSERT (id, kind, hash, user_id, org_id, cluster_id, requested_at, due_at, next_try_at) ON erasures TO kubewise_web;
GRANT SELECT, UPDATE (mail_hash, next_try_at, user_id, org_id, cluster_id, begun_at, held, ended_at, certificate), DELETE
  ON erasures TO kubewise_worker;

-- Set when its deletion has begun: nobody sees it any more, while a job removes what it held.
ALTER TABLE organisations ADD COLUMN deleted_at timestamptz;

-- Nobody joins one whose deletion has begun.
ALTER POLICY by_domain ON organisations
  USING (deleted_at IS NULL AND join_domain IS NOT NULL AND join_domain = (SELECT asking_domain()));

-- What the address of a deletion's page carries is the proof: there may be nobody to sign in any more.
CREATE FUNCTION erasure_by_hash(link bytea)
  RETURNS TABLE (kind text, requested_at timestamptz, due_at timestamptz, begun_at timestamptz, ended_at timestamptz,
                 certificate text)
  LANGUAGE sql STABLE SECURITY DEFINER ROWS 1 SET search_path = public, pg_temp AS $$
    SELECT e.kind, e.requested_at, e.due_at, e.begun_at, e.ended_at, e.certificate FROM erasures e
    WHERE e.hash = link OR e.mail_hash = link
  $$;
REVOKE ALL ON FUNCTION erasure_by_hash(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erasure_by_hash(bytea) TO kubewise_web;

-- An organisation whose deletion has begun has no owner, and needs none.
CREATE OR REPLACE FUNCTION keep_an_owner() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  -- One that looks at what there was when it began would not see what another has done since.
  IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    RAISE EXCEPTION 'owners change in transactions that are read committed' USING ERRCODE = 'feature_not_supported';
  END IF;
  -- One after the other within an organisation: each then sees what the one before has done.
  PERFORM pg_advisory_xact_lock(hashtextextended('kubewise owners ' || OLD.org_id::text, 0));
  IF EXISTS (SELECT FROM organisations WHERE id = OLD.org_id AND deleted_at IS NULL)
     AND NOT EXISTS (SELECT FROM memberships WHERE org_id = OLD.org_id AND role = 'owner') THEN
    RAISE EXCEPTION 'an organisation would be without an owner' USING ERRCODE = 'integrity_constraint_violation',
      CONSTRAINT = 'memberships_owner';
  END IF;
  RETURN NULL;
END
$$;

-- Begins a deletion that is due, once: from then on it cannot be undone, and what is deleted is not seen any more. By the
-- owner of the schema, since no login may do so of itself; that it was asked for is looked at here.
CREATE FUNCTION begin_erasure(erasure uuid, moment timestamptz) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  asked erasures;
BEGIN
  UPDATE erasures e SET begun_at = moment WHERE e.id = erasure AND e.begun_at IS NULL AND e.due_at <= moment
    RETURNING e.* INTO asked;
  IF NOT FOUND THEN
    RETURN EXISTS (SELECT FROM erasures e WHERE e.id = erasure AND e.begun_at IS NOT NULL AND e.ended_at IS NULL);
  END IF;
  PERFORM set_config('kubewise.org_id', coalesce(asked.org_id::text, ''), true);
  IF asked.kind = 'organisation' THEN
    UPDATE organisations o SET deleted_at = moment WHERE o.id = asked.org_id;
    DELETE FROM memberships m WHERE m.org_id = asked.org_id;
    DELETE FROM invitations i WHERE i.org_id = asked.org_id;
    DELETE FROM api_tokens t WHERE t.org_id = asked.org_id;
    UPDATE cluster_tokens t SET revoked_at = moment WHERE t.org_id = asked.org_id AND t.revoked_at IS NULL;
    UPDATE clusters c SET deleted_at = coalesce(c.deleted_at, moment) WHERE c.org_id = asked.org_id;
    DELETE FROM erasures e WHERE e.org_id = asked.org_id AND e.kind = 'cluster';
  ELSIF asked.kind = 'account' THEN
    UPDATE users u SET disabled_at = moment WHERE u.id = asked.user_id;
    DELETE FROM sessions s WHERE s.user_id = asked.user_id;
  END IF;
  RETURN true;
END
$$;

-- The last rows of what is deleted, with all that hangs on them.
CREATE FUNCTION finish_erasure(erasure uuid) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  asked erasures;
BEGIN
  SELECT * INTO asked FROM erasures e WHERE e.id = erasure AND e.begun_at IS NOT NULL AND e.ended_at IS NULL;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  PERFORM set_config('kubewise.org_id', coalesce(asked.org_id::text, ''), true);
  IF asked.kind = 'organisation' THEN
    DELETE FROM organisations o WHERE o.id = asked.org_id;
  ELSIF asked.kind = 'account' THEN
    DELETE FROM users u WHERE u.id = asked.user_id;
  END IF;
  RETURN true;
END
$$;

-- How many rows there are of something in each table that has this column: of one organisation's tables, or of those that
-- belong to none. Tables that come later are counted too.
CREATE FUNCTION rows_with(wanted text, whose uuid, of_tenants boolean) RETURNS TABLE (name text, rows bigint)
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  found_table record;
BEGIN
  IF wanted NOT IN ('org_id', 'cluster_id', 'user_id', 'pseudonym') THEN
    RAISE EXCEPTION 'not a column of who something is about: %', wanted;
  END IF;
  FOR found_table IN
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = wanted AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'erasures'
      AND of_tenants = EXISTS (SELECT FROM pg_attribute o WHERE o.attrelid = c.oid AND o.attname = 'org_id' AND NOT o.attisdropped)
    ORDER BY c.relname
  LOOP
    name := found_table.relname;
    EXECUTE format('SELECT count(*) FROM %I WHERE %I = $1', name, wanted) INTO rows USING whose;
    IF rows > 0 THEN
      RETURN NEXT;
    END IF;
  END LOOP;
END
$$;

REVOKE ALL ON FUNCTION begin_erasure(uuid, timestamptz), finish_erasure(uuid),
  rows_with(text, uuid, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION begin_erasure(uuid, timestamptz), finish_erasure(uuid),
  rows_with(text, uuid, boolean) TO kubewise_worker;

-- What the worker looks at and removes besides what it did before. The rest goes with the organisation or the account.
GRANT SELECT (role) ON memberships TO kubewise_worker;
GRANT SELECT (id, package, installed) ON vulnerabilities TO kubewise_worker;
GRANT SELECT (uid) ON ingest_staging TO kubewise_worker;
GRANT SELECT (slug, deleted_at) ON organisations TO kubewise_worker;
GRANT SELECT (name) ON clusters TO kubewise_worker;
GRANT SELECT (hash, email_canonical), DELETE ON sign_up_invitations TO kubewise_worker;
GRANT SELECT (key), DELETE ON attempts TO kubewise_worker;
