-- When clusters are audited by themselves.

CREATE TABLE audit_schedules (
  org_id     uuid NOT NULL,
  cluster_id uuid NOT NULL,
  -- Five fields, as cron reads them, by the clocks of the time zone.
  cron       text NOT NULL,
  -- As IANA names it: Europe/Paris
  time_zone  text NOT NULL,
  -- When the next audit is due; whatever was missed until then is one audit. Null: never again.
  next_at    timestamptz,
  set_at     timestamptz NOT NULL,
  PRIMARY KEY (org_id, cluster_id),
  FOREIGN KEY (org_id, cluster_id) REFERENCES clusters (org_id, id)
);
CREATE INDEX audit_schedules_due ON audit_schedules (next_at);

ALTER TABLE audit_schedules ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_schedules FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_schedules USING (org_id = current_org()) WITH CHECK (org_id = current_org());
CREATE POLICY seen_clusters ON audit_schedules AS RESTRICTIVE TO kubewise_web
  USING ((SELECT sees_every_cluster()) OR cluster_id = ANY ((SELECT seen_clusters())::uuid[]));
REVOKE ALL ON audit_schedules FROM PUBLIC;

-- When the schedule wanted it; null for a run that somebody asked for.
ALTER TABLE audit_runs ADD COLUMN due_at timestamptz;

GRANT SELECT, INSERT, UPDATE (cron, time_zone, next_at, set_at), DELETE ON audit_schedules TO kubewise_web;
GRANT SELECT, UPDATE (next_at), DELETE ON audit_schedules TO kubewise_worker;
GRANT INSERT (org_id, cluster_id, number, state, requested_at, due_at) ON audit_runs TO kubewise_worker;

-- Where something is due, before it is known which tenant it is: nothing but the ids of organisations is answered.
CREATE FUNCTION organisations_with_audits_due(moment timestamptz) RETURNS TABLE (org_id uuid)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT DISTINCT s.org_id FROM audit_schedules s WHERE s.next_at <= moment
  $$;
REVOKE ALL ON FUNCTION organisations_with_audits_due(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION organisations_with_audits_due(timestamptz) TO kubewise_worker;
CREATE POLICY due ON audit_schedules FOR SELECT TO kubewise_owner USING (true);
