-- What an organisation decides about audits: findings that it lives with, and how its clusters are judged.

CREATE TABLE waivers (
  org_id       uuid NOT NULL,
  id           uuid NOT NULL,
  -- Null: in every cluster, also those to come.
  cluster_id   uuid,
  -- A rule's id, or * for every rule.
  rule         text COLLATE "C" NOT NULL,
  -- What of it is null holds for every object.
  kind         text COLLATE "C",
  namespace    text COLLATE "C",
  name         text COLLATE "C",
  -- Objects that have all of these labels: {"app": "web"}.
  labels       jsonb NOT NULL DEFAULT '{}',
  reason       text NOT NULL,
  -- Who answers for it: a person or a team, in words.
  owner        text NOT NULL,
  -- The last day that it holds, UTC; null: until it is ended.
  expires_on   date,
  requested_at timestamptz NOT NULL,
  -- People, who may be gone since.
  requested_by uuid,
  -- From when on it holds: from the beginning, or from when somebody who may allowed it.
  approved_at  timestamptz,
  approved_by  uuid,
  -- Since when it does not hold any more: ended, turned down, or over.
  ended_at     timestamptz,
  ended_by     uuid,
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, cluster_id) REFERENCES clusters (org_id, id)
);
CREATE INDEX waivers_list ON waivers (org_id, requested_at DESC, id);
CREATE INDEX waivers_over ON waivers (expires_on) WHERE ended_at IS NULL;
CREATE INDEX waivers_cluster ON waivers (org_id, cluster_id) WHERE cluster_id IS NOT NULL;

-- How all clusters of an organisation are judged; without a row, as the catalogue of rules says.
CREATE TABLE audit_policies (
  org_id              uuid PRIMARY KEY REFERENCES organisations ON DELETE CASCADE,
  -- By the ids of rules: "off", or the severity that their findings have: {"pss-host-ports": "off"}.
  rules               jsonb NOT NULL DEFAULT '{}',
  -- What rules leave open, as kubewise-audit reads it; what is not said is as the catalogue says.
  parameters          jsonb NOT NULL DEFAULT '{}',
  -- Whether a waiver waits until somebody who sets policies allows it.
  waivers_are_asked   boolean NOT NULL DEFAULT false,
  -- Whether annotations of objects waive what is found in them.
  annotations_waive   boolean NOT NULL DEFAULT false,
  set_at              timestamptz NOT NULL
);

-- How one cluster is judged; without a row, by all rules and by the version that it runs.
CREATE TABLE cluster_policies (
  org_id             uuid NOT NULL,
  cluster_id         uuid NOT NULL,
  profile            text NOT NULL,
  -- The version of Kubernetes that it is judged for; null: the one that it runs.
  kubernetes_version text,
  set_at             timestamptz NOT NULL,
  PRIMARY KEY (org_id, cluster_id),
  FOREIGN KEY (org_id, cluster_id) REFERENCES clusters (org_id, id)
);

-- The waiver that a finding is lived with by, or the reason that an annotation of its object gives. It is found all the same.
ALTER TABLE findings ADD COLUMN waiver uuid, ADD COLUMN annotated text,
  ADD COLUMN waived boolean NOT NULL GENERATED ALWAYS AS (waiver IS NOT NULL OR annotated IS NOT NULL) STORED,
  -- Closed because its rule is not judged any more: nothing was mended.
  ADD COLUMN unjudged boolean NOT NULL DEFAULT false;
CREATE INDEX findings_waiver ON findings (org_id, waiver) WHERE waiver IS NOT NULL AND closed_in IS NULL;

-- Findings that are waived; they are in no other figure.
ALTER TABLE audit_runs ADD COLUMN waived bigint NOT NULL DEFAULT 0,
  ADD COLUMN profile text,
  -- What it is judged by was decided anew while it was running: another one follows.
  ADD COLUMN again boolean NOT NULL DEFAULT false;

DO $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['waivers', 'audit_policies', 'cluster_policies'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (org_id = current_org()) WITH CHECK (org_id = current_org())', t);
    EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', t);
  END LOOP;
END
$$;
CREATE POLICY seen_clusters ON cluster_policies AS RESTRICTIVE TO kubewise_web
  USING ((SELECT sees_every_cluster()) OR cluster_id = ANY ((SELECT seen_clusters())::uuid[]));
-- A waiver for every cluster is one for those that somebody sees; it is changed by who sees them all.
CREATE POLICY seen_clusters ON waivers AS RESTRICTIVE TO kubewise_web
  USING (cluster_id IS NULL OR (SELECT sees_every_cluster()) OR cluster_id = ANY ((SELECT seen_clusters())::uuid[]))
  WITH CHECK ((SELECT sees_every_cluster()) OR cluster_id = ANY ((SELECT seen_clusters())::uuid[]));

-- Pages ask for waivers, allow and end them, and set policies.
GRANT SELECT, INSERT, UPDATE (approved_at, approved_by, ended_at, ended_by) ON waivers TO kubewise_web;
GRANT SELECT, INSERT, UPDATE (rules, parameters, waivers_are_asked, annotations_waive, set_at) ON audit_policies TO kubewise_web;
GRANT SELECT, INSERT, UPDATE (profile, kubernetes_version, set_at), DELETE ON cluster_policies TO kubewise_web;
-- The worker judges by them, and ends what is over.
GRANT SELECT, UPDATE (ended_at), DELETE ON waivers TO kubewise_worker;
GRANT SELECT ON audit_policies TO kubewise_worker;
GRANT SELECT, DELETE ON cluster_policies TO kubewise_worker;
GRANT UPDATE (waiver, annotated, unjudged) ON findings TO kubewise_worker;
GRANT UPDATE (waived, profile, again) ON audit_runs TO kubewise_worker;

-- Where a waiver is over, before it is known which tenant it is: nothing but the ids of organisations is answered.
CREATE FUNCTION organisations_with_waivers_over(today date) RETURNS TABLE (org_id uuid)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT DISTINCT w.org_id FROM waivers w WHERE w.ended_at IS NULL AND w.expires_on < today
  $$;
REVOKE ALL ON FUNCTION organisations_with_waivers_over(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION organisations_with_waivers_over(date) TO kubewise_worker;
CREATE POLICY over ON waivers FOR SELECT TO kubewise_owner USING (true);
