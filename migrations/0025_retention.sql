-- For how long what was is kept.

-- Days that findings and audits of the past are kept for; null: as long as the plan has them, which is never less.
ALTER TABLE organisations ADD COLUMN history_days integer CHECK (history_days BETWEEN 7 AND 3650);
GRANT UPDATE (history_days) ON organisations TO kubewise_web;
GRANT SELECT (history_days) ON organisations TO kubewise_worker;

-- The worker removes what has ended long ago, and sees when it ended and nothing else.
GRANT DELETE ON invitations TO kubewise_worker;
GRANT SELECT (expires_at, revoked_at), DELETE ON api_tokens TO kubewise_worker;
GRANT SELECT (org_id, began_at), DELETE ON api_token_minutes TO kubewise_worker;
GRANT SELECT (revoked_at) ON cluster_tokens TO kubewise_worker;
GRANT SELECT (received_at) ON ingest_batches TO kubewise_worker;

-- The days of nodes by month: what is too old is dropped with its month. The table of before becomes the place of days whose
-- month has no partition yet.
ALTER TABLE node_days RENAME TO node_days_other;
ALTER INDEX node_days_pkey RENAME TO node_days_other_pkey;
DROP INDEX node_days_old;
CREATE TABLE node_days (
  org_id     uuid NOT NULL REFERENCES organisations ON DELETE CASCADE,
  day        date NOT NULL,
  cluster_id uuid NOT NULL,
  nodes      bigint NOT NULL CONSTRAINT node_days_nodes_check CHECK (nodes > 0),
  PRIMARY KEY (org_id, day, cluster_id)
) PARTITION BY RANGE (day);
ALTER TABLE node_days ATTACH PARTITION node_days_other DEFAULT;

ALTER TABLE node_days ENABLE ROW LEVEL SECURITY;
ALTER TABLE node_days FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON node_days USING (org_id = current_org()) WITH CHECK (org_id = current_org());
CREATE POLICY seen_clusters ON node_days AS RESTRICTIVE TO kubewise_web
  USING ((SELECT sees_every_cluster()) OR cluster_id = ANY ((SELECT seen_clusters())::uuid[]));
REVOKE ALL ON node_days FROM PUBLIC;
GRANT SELECT ON node_days TO kubewise_web;
GRANT SELECT, INSERT, UPDATE (nodes) ON node_days TO kubewise_ingest;
GRANT SELECT, INSERT, UPDATE (nodes, cluster_id), DELETE ON node_days TO kubewise_worker;
-- Partitions are reached through their table alone: named directly, they are refused to every login but the owner's, and show
-- that one the tenant that its transaction states.
REVOKE ALL ON node_days_other FROM PUBLIC, kubewise_web, kubewise_ingest, kubewise_worker;

-- Makes the partitions of this month and the next two, and of each month that days have come in without one; drops those in
-- which all days are before `oldest`.
CREATE FUNCTION keep_node_days(today date, oldest date) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
  -- Who writes days waits meanwhile: rather tried again later than waited for long.
  SET lock_timeout = '5s' AS $$
DECLARE
  wanted date[];
  month date;
  part text;
BEGIN
  -- One server at a time.
  PERFORM pg_advisory_xact_lock(hashtextextended('kubewise node days', 0));
  wanted := ARRAY(SELECT m::date FROM generate_series(date_trunc('month', today::timestamp),
                    date_trunc('month', today::timestamp) + interval '2 months', interval '1 month') m
                  WHERE to_regclass('node_days_' || to_char(m, 'YYYY_MM')) IS NULL);
  -- What has come in is not the owner's to see: it is moved while that is lifted, within this transaction and with nobody
  -- else in the table. A table without a page has no rows.
  IF wanted <> '{}' OR pg_relation_size('node_days_other') > 0 THEN
    -- Before the days, as who removes an organisation has it.
    LOCK TABLE organisations IN SHARE ROW EXCLUSIVE MODE;
    -- Whoever was about to write a day looks again for its place: the one that it knew takes it no more.
    LOCK TABLE node_days IN ACCESS EXCLUSIVE MODE;
    ALTER TABLE node_days_other NO FORCE ROW LEVEL SECURITY;
    DELETE FROM node_days_other WHERE day < date_trunc('month', oldest::timestamp);
    wanted := ARRAY(SELECT unnest(wanted) UNION SELECT date_trunc('month', day::timestamp)::date FROM node_days_other ORDER BY 1);
    FOREACH month IN ARRAY wanted LOOP
      part := 'node_days_' || to_char(month, 'YYYY_MM');
      EXECUTE format('CREATE TABLE %I (LIKE node_days INCLUDING ALL)', part);
      EXECUTE format('WITH moved AS (DELETE FROM node_days_other WHERE day >= %L AND day < %L RETURNING *)
        INSERT INTO %I SELECT * FROM moved', month, (month + interval '1 month')::date, part);
      EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', part);
      EXECUTE format('CREATE POLICY tenant ON %I USING (org_id = current_org()) WITH CHECK (org_id = current_org())', part);
      EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', part);
      EXECUTE format('ALTER TABLE node_days ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part, month,
                     (month + interval '1 month')::date);
    END LOOP;
    -- All were moved: without a page again.
    TRUNCATE node_days_other;
    ALTER TABLE node_days_other FORCE ROW LEVEL SECURITY;
  END IF;
  FOR part IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'node_days'::regclass AND c.relname ~ '^node_days_\d{4}_\d\d$'
      AND c.relname < 'node_days_' || to_char(oldest, 'YYYY_MM')
  LOOP
    EXECUTE format('DROP TABLE %I', part);
  END LOOP;
END
$$;
REVOKE ALL ON FUNCTION keep_node_days(date, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keep_node_days(date, date) TO kubewise_worker;
