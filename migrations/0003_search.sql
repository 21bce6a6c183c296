-- Finding objects by a part of their name in all clusters of an organisation.
--
-- ILIKE is not leakproof, so under row-level security PostgreSQL may not use an index for it. This function is the one
-- place that looks without a policy in the way; the tenant is not an argument but what the transaction stated, so a
-- caller can ask for nothing that its transaction could not see anyway.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS btree_gin;

CREATE INDEX resources_name_trgm ON resources USING gin (org_id, name gin_trgm_ops);

CREATE POLICY search ON resources FOR SELECT TO kubewise_search USING (true);
GRANT SELECT (org_id, cluster_id, uid, name) ON resources TO kubewise_search;

CREATE FUNCTION resources_named_like(pattern text, at_most bigint)
  RETURNS TABLE (cluster_id uuid, uid uuid)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = public, pg_temp
AS $$
  SELECT r.cluster_id, r.uid
  FROM resources r
  WHERE r.org_id = current_org() AND r.name ILIKE pattern
  LIMIT at_most
$$;
REVOKE ALL ON FUNCTION resources_named_like(text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION resources_named_like(text, bigint) TO kubewise_web;
-- Making kubewise_search the owner asks for CREATE on the schema at this moment only.
GRANT CREATE ON SCHEMA public TO kubewise_search;
ALTER FUNCTION resources_named_like(text, bigint) OWNER TO kubewise_search;
REVOKE CREATE ON SCHEMA public FROM kubewise_search;
