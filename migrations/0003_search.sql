-- Finding objects by a part of their name in all clusters of an organisation.
--
-- ILIKE is not leakproof, so under row-level security PostgreSQL may not use an index for it. This function is the one
-- place that looks without a policy in the way; the tenant is not an argument but what the transaction stated, so a
-- caller can ask for nothing that its transaction could not see anyway.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS btree_gin;

-- Of names that a person chose. What controllers make (pods, replica sets, jobs) is nine objects in ten; its name begins with
-- its maker's, and that is how it is found. Two indexes, since a scan of one gathers all matches before the first is given:
-- a word that many names contain is answered from the workloads alone.
CREATE INDEX resources_workload_name_trgm ON resources USING gin (org_id, name gin_trgm_ops) WHERE workload;
CREATE INDEX resources_other_name_trgm ON resources USING gin (org_id, name gin_trgm_ops)
  WHERE NOT workload AND owner_uid IS NULL;
-- Whole names and beginnings.
CREATE INDEX resources_name ON resources (org_id, name);

CREATE POLICY search ON resources FOR SELECT TO kubewise_search USING (true);
GRANT SELECT (org_id, cluster_id, uid, kind, name, workload, owner_uid) ON resources TO kubewise_search;

CREATE TYPE found_resource AS (cluster_id uuid, uid uuid, kind text COLLATE "C");

-- At most so many objects, of one kind or (null) of any: those of exactly this name; then workloads whose name contains
-- the text, and what they own; then others that nothing owns, whose name contains it; then what is owned and whose name
-- begins with it. `contained` is null for a text without three letters or digits in a row, of which trigrams are made: then
-- all names begin with it. Some objects come twice.
CREATE FUNCTION resources_named_like(only_kind text, whole text, beginning text, contained text, at_most bigint)
  RETURNS TABLE (cluster_id uuid, uid uuid)
  LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 500
  SET search_path = public, pg_temp
  -- The indexes above are the plan, whatever statistics say of other organisations' names.
  SET plan_cache_mode = force_custom_plan
  SET enable_seqscan = off
  -- Switched within, and given back at the end.
  SET enable_indexscan = on
  SET enable_indexonlyscan = on
AS $$
DECLARE
  tenant constant uuid := current_org();
  -- Workloads that are looked at when they are only the way to what they own.
  seeds constant bigint := CASE WHEN only_kind IS NULL THEN at_most ELSE least(at_most, 200) END;
  workloads found_resource[];
  at_most_now bigint := at_most;
  found_now bigint;
BEGIN
  RETURN QUERY
    SELECT r.cluster_id, r.uid FROM resources r
    WHERE r.org_id = tenant AND r.name = whole AND (only_kind IS NULL OR r.kind = only_kind)
    LIMIT at_most_now;
  GET DIAGNOSTICS found_now = ROW_COUNT;
  at_most_now := at_most_now - found_now;
  IF contained IS NULL THEN
    RETURN QUERY
      SELECT o.cluster_id, o.uid FROM (
        SELECT r.cluster_id, r.uid, r.kind FROM resources r WHERE r.org_id = tenant AND r.name LIKE beginning LIMIT at_most
      ) o
      WHERE only_kind IS NULL OR o.kind = only_kind LIMIT at_most_now;
    RETURN;
  END IF;
  -- Trigrams, and no walk through a btree that a low limit makes look cheap.
  PERFORM set_config('enable_indexscan', 'off', true), set_config('enable_indexonlyscan', 'off', true);
  workloads := ARRAY(
    SELECT ROW(r.cluster_id, r.uid, r.kind)::found_resource FROM resources r
    WHERE r.org_id = tenant AND r.workload AND r.name ILIKE contained LIMIT seeds);
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
        LIMIT at_most
      ) o
      WHERE only_kind IS NULL OR o.kind = only_kind LIMIT at_most_now;
  END IF;
END
$$;
REVOKE ALL ON FUNCTION resources_named_like(text, text, text, text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION resources_named_like(text, text, text, text, bigint) TO kubewise_web;
-- Making kubewise_search the owner asks for CREATE on the schema at this moment only.
GRANT CREATE ON SCHEMA public TO kubewise_search;
ALTER FUNCTION resources_named_like(text, text, text, text, bigint) OWNER TO kubewise_search;
REVOKE CREATE ON SCHEMA public FROM kubewise_search;
