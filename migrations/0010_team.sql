-- Members: what each may do is decided by others, and may be limited to chosen clusters.

-- Which clusters the transaction may see: '*' for all, else ids with commas between. Not stated: none.
CREATE FUNCTION sees_every_cluster() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
  RETURN coalesce(current_setting('kubewise.clusters', true), '') = '*';
CREATE FUNCTION seen_clusters() RETURNS uuid[] LANGUAGE sql STABLE PARALLEL SAFE
  RETURN ('{' || replace(coalesce(current_setting('kubewise.clusters', true), ''), '*', '') || '}')::uuid[];

-- For pages alone: agents' part states one tenant and writes one cluster of it, and jobs remove what is deleted. Asked
-- for by a subquery, so that it is looked at once in a statement and not for each row.
DO $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['cluster_tokens', 'resources', 'cluster_kinds', 'cluster_namespaces', 'cluster_images',
                           'cluster_applications'] LOOP
    EXECUTE format('CREATE POLICY seen_clusters ON %I AS RESTRICTIVE TO kubewise_web
      USING ((SELECT sees_every_cluster()) OR cluster_id = ANY ((SELECT seen_clusters())::uuid[]))', t);
  END LOOP;
END
$$;
CREATE POLICY seen_clusters ON clusters AS RESTRICTIVE TO kubewise_web
  USING ((SELECT sees_every_cluster()) OR id = ANY ((SELECT seen_clusters())::uuid[]));

-- Only these clusters; null: all of them. Who answers for the whole organisation is not limited.
ALTER TABLE memberships ADD COLUMN clusters uuid[],
  ADD CONSTRAINT memberships_limited CHECK (clusters IS NULL OR role IN ('operator', 'viewer'));

-- What a person is elsewhere they see, and it is neither changed nor ended from within another organisation.
ALTER POLICY tenant ON memberships USING (org_id = current_org());
CREATE POLICY own ON memberships FOR SELECT TO kubewise_web USING (user_id = asking_user());

-- An organisation has an owner when a transaction ends, whatever happened at the same time: the last word is had here.
-- By the owner of the schema, who sees members whatever the transaction stated, and may lock what it does not change.
CREATE FUNCTION keep_an_owner() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  -- One that looks at what there was when it began would not see what another has done since.
  IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    RAISE EXCEPTION 'owners change in transactions that are read committed' USING ERRCODE = 'feature_not_supported';
  END IF;
  -- One after the other within an organisation: each then sees what the one before has done.
  PERFORM pg_advisory_xact_lock(hashtextextended('kubewise owners ' || OLD.org_id::text, 0));
  IF EXISTS (SELECT FROM organisations WHERE id = OLD.org_id)
     AND NOT EXISTS (SELECT FROM memberships WHERE org_id = OLD.org_id AND role = 'owner') THEN
    RAISE EXCEPTION 'an organisation would be without an owner' USING ERRCODE = 'integrity_constraint_violation',
      CONSTRAINT = 'memberships_owner';
  END IF;
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION keep_an_owner() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER memberships_owner AFTER UPDATE OR DELETE ON memberships
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.role = 'owner') EXECUTE FUNCTION keep_an_owner();

CREATE TABLE invitations (
  org_id          uuid NOT NULL REFERENCES organisations ON DELETE CASCADE,
  id              uuid NOT NULL,
  email           text NOT NULL,
  -- The address that may use it.
  email_canonical text NOT NULL,
  role            text NOT NULL CHECK (role IN ('owner', 'admin', 'operator', 'viewer', 'billing')),
  clusters        uuid[] CHECK (clusters IS NULL OR role IN ('operator', 'viewer')),
  -- Who invited: a person who may be gone since.
  invited_by      uuid NOT NULL,
  created_at      timestamptz NOT NULL,
  expires_at      timestamptz NOT NULL,
  -- What ended it, if something did: a row stays, so that the activity log can say who was invited.
  accepted_at     timestamptz,
  revoked_at      timestamptz,
  -- SHA-256 of what the link in the last mail carries; made by the worker when it sends it.
  hash            bytea CHECK (octet_length(hash) = 32),
  PRIMARY KEY (org_id, id)
);
-- One that waits for each address.
CREATE UNIQUE INDEX invitations_waiting ON invitations (org_id, email_canonical)
  WHERE accepted_at IS NULL AND revoked_at IS NULL;
CREATE INDEX invitations_hash ON invitations (hash);

-- Who joins by their address alone: its domain, once they proved that they read it, and what they become.
ALTER TABLE organisations ADD COLUMN join_domain text, ADD COLUMN join_role text,
  ADD CONSTRAINT organisations_join CHECK ((join_domain IS NULL) = (join_role IS NULL)
    AND join_role IN ('operator', 'viewer', 'billing'));
CREATE INDEX organisations_join_domain ON organisations (join_domain) WHERE join_domain IS NOT NULL;

ALTER TABLE invitations ENABLE ROW LEVEL SECURITY;
ALTER TABLE invitations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON invitations USING (org_id = current_org()) WITH CHECK (org_id = current_org());
REVOKE ALL ON invitations FROM PUBLIC;

GRANT UPDATE (role, clusters), DELETE ON memberships TO kubewise_web;
GRANT UPDATE (name, join_domain, join_role) ON organisations TO kubewise_web;
GRANT SELECT (org_id, id, email, email_canonical, role, clusters, invited_by, created_at, expires_at, accepted_at,
              revoked_at), INSERT, UPDATE (expires_at, accepted_at, revoked_at, hash) ON invitations TO kubewise_web;
-- The worker writes the mail, and makes what its link carries.
GRANT SELECT (org_id, id, email, role, invited_by, expires_at, accepted_at, revoked_at), UPDATE (hash) ON invitations
  TO kubewise_worker;
GRANT SELECT (id, name) ON organisations TO kubewise_worker;
-- What a deleted cluster was chosen for.
GRANT SELECT (org_id, user_id, clusters), UPDATE (clusters) ON memberships TO kubewise_worker;
GRANT SELECT (clusters), UPDATE (clusters) ON invitations TO kubewise_worker;

-- Whoever has a link finds the organisation by it, before it is known who they are: nothing but its id is answered.
CREATE FUNCTION invitation_by_hash(link bytea) RETURNS TABLE (org_id uuid, id uuid)
  LANGUAGE sql STABLE SECURITY DEFINER ROWS 1 SET search_path = public, pg_temp AS $$
    SELECT i.org_id, i.id FROM invitations i WHERE i.hash = link
  $$;
REVOKE ALL ON FUNCTION invitation_by_hash(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION invitation_by_hash(bytea) TO kubewise_web;
CREATE POLICY by_hash ON invitations FOR SELECT TO kubewise_owner USING (true);

-- A person sees the organisations that they could join by their address. Pages alone know who asks.
CREATE FUNCTION asking_domain() RETURNS text LANGUAGE sql STABLE
  RETURN (SELECT substring(u.email_canonical FROM '@([^@]+)$') FROM users u
          WHERE u.id = asking_user() AND u.email_verified_at IS NOT NULL);
CREATE POLICY by_domain ON organisations FOR SELECT TO kubewise_web
  USING (join_domain IS NOT NULL AND join_domain = (SELECT asking_domain()));

-- Finding by name, as in 0003, within the clusters that the transaction may see.
GRANT CREATE ON SCHEMA public TO kubewise_search;
SET LOCAL ROLE kubewise_search;
CREATE OR REPLACE FUNCTION resources_named_like(only_kind text, whole text, beginning text, contained text, at_most bigint)
  RETURNS TABLE (cluster_id uuid, uid uuid)
  LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 500
  SET search_path = public, pg_temp
  -- The indexes of 0003 are the plan, whatever statistics say of other organisations' names.
  SET plan_cache_mode = force_custom_plan
  SET enable_seqscan = off
  -- Switched within, and given back at the end.
  SET enable_indexscan = on
  SET enable_indexonlyscan = on
AS $$
DECLARE
  tenant constant uuid := current_org();
  everywhere constant boolean := sees_every_cluster();
  seen constant uuid[] := seen_clusters();
  -- Workloads that are looked at when they are only the way to what they own.
  seeds constant bigint := CASE WHEN only_kind IS NULL THEN at_most ELSE least(at_most, 200) END;
  workloads found_resource[];
  at_most_now bigint := at_most;
  found_now bigint;
BEGIN
  RETURN QUERY
    SELECT r.cluster_id, r.uid FROM resources r
    WHERE r.org_id = tenant AND r.name = whole AND (only_kind IS NULL OR r.kind = only_kind)
      AND (everywhere OR r.cluster_id = ANY (seen))
    LIMIT at_most_now;
  GET DIAGNOSTICS found_now = ROW_COUNT;
  at_most_now := at_most_now - found_now;
  IF contained IS NULL THEN
    RETURN QUERY
      SELECT o.cluster_id, o.uid FROM (
        SELECT r.cluster_id, r.uid, r.kind FROM resources r
        WHERE r.org_id = tenant AND r.name LIKE beginning AND (everywhere OR r.cluster_id = ANY (seen)) LIMIT at_most
      ) o
      WHERE only_kind IS NULL OR o.kind = only_kind LIMIT at_most_now;
    RETURN;
  END IF;
  -- Trigrams, and no walk through a btree that a low limit makes look cheap.
  PERFORM set_config('enable_indexscan', 'off', true), set_config('enable_indexonlyscan', 'off', true);
  workloads := ARRAY(
    SELECT ROW(r.cluster_id, r.uid, r.kind)::found_resource FROM resources r
    WHERE r.org_id = tenant AND r.workload AND r.name ILIKE contained AND (everywhere OR r.cluster_id = ANY (seen))
    LIMIT seeds);
  PERFORM set_config('enable_indexscan', 'on', true), set_config('enable_indexonlyscan', 'on', true);
  RETURN QUERY
    WITH RECURSIVE made AS (
      SELECT w.cluster_id, w.uid, w.kind, 0 AS depth FROM unnest(workloads) w
      UNION ALL
      -- A limit, so that each step is a look-up by key whatever statistics say.
      SELECT o.cluster_id, o.uid, o.kind, m.depth + 1 FROM made m
      CROSS JOIN LATERAL (SELECT r.cluster_id, r.uid, r.kind FROM resources r
                          WHERE r.org_id = tenant AND r.cluster_id = m.cluster_id AND r.owner_uid = m.uid LIMIT 50) o
      WHERE m.depth < 3
    )
    SELECT m.cluster_id, m.uid FROM made m WHERE only_kind IS NULL OR m.kind = only_kind LIMIT at_most_now;
  GET DIAGNOSTICS found_now = ROW_COUNT;
  at_most_now := at_most_now - found_now;
  IF at_most_now > 0 THEN
    PERFORM set_config('enable_indexscan', 'off', true), set_config('enable_indexonlyscan', 'off', true);
    RETURN QUERY
      SELECT o.cluster_id, o.uid FROM (
        SELECT r.cluster_id, r.uid, r.kind FROM resources r
        WHERE r.org_id = tenant AND NOT r.workload AND r.owner_uid IS NULL AND r.name ILIKE contained
          AND (everywhere OR r.cluster_id = ANY (seen))
        LIMIT at_most
      ) o
      WHERE only_kind IS NULL OR o.kind = only_kind LIMIT at_most_now;
    GET DIAGNOSTICS found_now = ROW_COUNT;
    at_most_now := at_most_now - found_now;
    PERFORM set_config('enable_indexscan', 'on', true), set_config('enable_indexonlyscan', 'on', true);
  END IF;
  IF at_most_now > 0 THEN
    RETURN QUERY
      SELECT o.cluster_id, o.uid FROM (
        SELECT r.cluster_id, r.uid, r.kind FROM resources r
        WHERE r.org_id = tenant AND NOT r.workload AND r.owner_uid IS NOT NULL AND r.name LIKE beginning
          AND (everywhere OR r.cluster_id = ANY (seen))
        LIMIT at_most
      ) o
      WHERE only_kind IS NULL OR o.kind = only_kind LIMIT at_most_now;
  END IF;
END
$$;
RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM kubewise_search;

-- Whoever runs the installation may shut an account out.
ALTER TABLE users ADD COLUMN disabled_at timestamptz;
