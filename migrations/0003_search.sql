-- Finding objects by a part of their name in all clusters of an organisation.
--
-- ILIKE is not leakproof, so under row-level security PostgreSQL may not use an index for it. This function is the one
-- place that looks without a policy in the way; the tenant is not an argument but what the transaction stated, so a
-- caller can ask for nothing that its transaction could not see anyway.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS btree_gin;

-- Two indexes, since a scan of one gathers all matches before the first is given: a word that many names contain is
-- answered from the workloads alone, a tenth of all objects.
CREATE INDEX resources_workload_name_trgm ON resources USING gin (org_id, name gin_trgm_ops) WHERE workload;
CREATE INDEX resources_other_name_trgm ON resources USING gin (org_id, name gin_trgm_ops) WHERE NOT workload;
-- Whole names and beginnings.
CREATE INDEX resources_name ON resources (org_id, name);

CREATE POLICY search ON resources FOR SELECT TO kubewise_search USING (true);
GRANT SELECT (org_id, cluster_id, uid, name, workload) ON resources TO kubewise_search;

-- At most so many objects: those of exactly this name, then workloads whose name fits the pattern, then others. A
-- pattern without three letters or digits in a row, of which trigrams are made, must be a beginning: `ab%`.
CREATE FUNCTION resources_named_like(whole text, pattern text, is_beginning boolean, at_most bigint)
  RETURNS TABLE (cluster_id uuid, uid uuid)
  LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 500
  SET search_path = public, pg_temp
  -- The indexes above are the plan, whatever statistics say of other organisations' names.
  SET plan_cache_mode = force_custom_plan
  SET enable_seqscan = off
AS $$
DECLARE
  tenant constant uuid := current_org();
  found_so_far bigint := 0;
  found_now bigint;
BEGIN
  RETURN QUERY SELECT r.cluster_id, r.uid FROM resources r WHERE r.org_id = tenant AND r.name = whole LIMIT at_most;
  GET DIAGNOSTICS found_so_far = ROW_COUNT;
  IF is_beginning THEN
    RETURN QUERY
      SELECT r.cluster_id, r.uid FROM resources r
      WHERE r.org_id = tenant AND r.name LIKE pattern AND r.name <> whole
      LIMIT at_most - found_so_far;
    RETURN;
  END IF;
  RETURN QUERY
    SELECT r.cluster_id, r.uid FROM resources r
    WHERE r.org_id = tenant AND r.workload AND r.name ILIKE pattern AND r.name <> whole
    LIMIT at_most - found_so_far;
  GET DIAGNOSTICS found_now = ROW_COUNT;
  found_so_far := found_so_far + found_now;
  IF found_so_far < at_most THEN
    RETURN QUERY
      SELECT r.cluster_id, r.uid FROM resources r
      WHERE r.org_id = tenant AND NOT r.workload AND r.name ILIKE pattern AND r.name <> whole
      LIMIT at_most - found_so_far;
  END IF;
END
$$;
REVOKE ALL ON FUNCTION resources_named_like(text, text, boolean, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION resources_named_like(text, text, boolean, bigint) TO kubewise_web;
-- Making kubewise_search the owner asks for CREATE on the schema at this moment only.
GRANT CREATE ON SCHEMA public TO kubewise_search;
ALTER FUNCTION resources_named_like(text, text, boolean, bigint) OWNER TO kubewise_search;
REVOKE CREATE ON SCHEMA public FROM kubewise_search;
