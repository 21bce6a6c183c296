-- Audits: what was asked for, what was found, and the keys that what is kept in the bucket is encrypted under.

-- A key for each organisation, sealed under the master key. Whoever destroys it destroys all that the bucket holds of it.
CREATE TABLE organisation_keys (
  org_id     uuid PRIMARY KEY REFERENCES organisations ON DELETE CASCADE,
  sealed     bytea NOT NULL,
  created_at timestamptz NOT NULL
);

CREATE TABLE audit_runs (
  org_id             uuid NOT NULL,
  cluster_id         uuid NOT NULL,
  -- 1, 2, 3 … within the cluster.
  number             bigint NOT NULL,
  state              text NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')),
  requested_at       timestamptz NOT NULL,
  -- Who asked: a person, who may be gone since; none for a token of the organisation.
  requested_by       uuid,
  started_at         timestamptz,
  finished_at        timestamptz,
  -- Objects read so far, and in all.
  read               bigint NOT NULL DEFAULT 0,
  objects            bigint NOT NULL DEFAULT 0,
  -- The version of Kubernetes that it was judged for.
  kubernetes_version text,
  -- From 0 to 100; null when nothing was judged.
  score              double precision,
  -- Open findings by severity.
  critical           bigint NOT NULL DEFAULT 0,
  high               bigint NOT NULL DEFAULT 0,
  medium             bigint NOT NULL DEFAULT 0,
  low                bigint NOT NULL DEFAULT 0,
  info               bigint NOT NULL DEFAULT 0,
  -- Compared with the run before.
  opened             bigint NOT NULL DEFAULT 0,
  fixed              bigint NOT NULL DEFAULT 0,
  -- Figures by category, framework, namespace, application and rule, and what could not be judged.
  summary            jsonb,
  -- The objects that were judged, in the bucket, and how large that is there.
  evidence           text,
  evidence_bytes     bigint,
  PRIMARY KEY (org_id, cluster_id, number),
  FOREIGN KEY (org_id, cluster_id) REFERENCES clusters (org_id, id)
);
-- One at a time for each cluster: who asks for another one gets the one that is on its way.
CREATE UNIQUE INDEX audit_runs_on_the_way ON audit_runs (org_id, cluster_id) WHERE state IN ('waiting', 'running');

-- What was found, from the run that found it first to the run that did not find it any more. What comes back is another row.
-- So the findings of run n are those with opened_in <= n and (closed_in IS NULL OR closed_in > n).
CREATE TABLE findings (
  org_id      uuid NOT NULL,
  cluster_id  uuid NOT NULL,
  -- Over the rule, the object and the place in it (kubewise-audit).
  fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 16),
  opened_in   bigint NOT NULL,
  opened_at   timestamptz NOT NULL,
  closed_in   bigint,
  closed_at   timestamptz,
  rule        text COLLATE "C" NOT NULL,
  -- 0 info, 1 low, 2 medium, 3 high, 4 critical
  severity    smallint NOT NULL CHECK (severity BETWEEN 0 AND 4),
  -- The object, when the inventory has it.
  uid         uuid,
  -- Group-kind as Kubernetes writes it: Deployment.apps
  kind        text COLLATE "C" NOT NULL,
  namespace   text COLLATE "C" NOT NULL,
  name        text COLLATE "C" NOT NULL,
  application text COLLATE "C",
  path        text NOT NULL,
  message     text NOT NULL,
  -- YAML to merge; empty when there is none.
  patch       text NOT NULL,
  PRIMARY KEY (org_id, cluster_id, fingerprint, opened_in),
  FOREIGN KEY (org_id, cluster_id) REFERENCES clusters (org_id, id)
);
-- Lists: worst first; the same within a namespace and of a rule.
CREATE INDEX findings_open ON findings (org_id, cluster_id, severity DESC, rule, namespace, name, fingerprint)
  WHERE closed_in IS NULL;
CREATE INDEX findings_namespace ON findings (org_id, cluster_id, namespace, severity DESC, rule, name, fingerprint)
  WHERE closed_in IS NULL;
CREATE INDEX findings_rule ON findings (org_id, cluster_id, rule, severity DESC, namespace, name, fingerprint)
  WHERE closed_in IS NULL;
CREATE INDEX findings_opened ON findings (org_id, cluster_id, opened_in);
CREATE INDEX findings_closed ON findings (org_id, cluster_id, closed_in) WHERE closed_in IS NOT NULL;
CREATE INDEX findings_object ON findings (org_id, cluster_id, uid) WHERE closed_in IS NULL;

DO $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['organisation_keys', 'audit_runs', 'findings'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (org_id = current_org()) WITH CHECK (org_id = current_org())', t);
    EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', t);
  END LOOP;
  FOREACH t IN ARRAY ARRAY['audit_runs', 'findings'] LOOP
    EXECUTE format('CREATE POLICY seen_clusters ON %I AS RESTRICTIVE TO kubewise_web
      USING ((SELECT sees_every_cluster()) OR cluster_id = ANY ((SELECT seen_clusters())::uuid[]))', t);
  END LOOP;
END
$$;

-- Pages ask for audits, and read what they found.
GRANT SELECT, INSERT (org_id, cluster_id, number, state, requested_at, requested_by) ON audit_runs TO kubewise_web;
GRANT SELECT ON findings TO kubewise_web;
-- To open what was kept for who may see it: under the master key, like all secrets.
GRANT SELECT (org_id, sealed) ON organisation_keys TO kubewise_web;

-- The worker reads what runs in the cluster, judges it, and keeps what it judged in the bucket.
GRANT SELECT ON resources, audit_runs, findings TO kubewise_worker;
GRANT SELECT (name, kubernetes_version, unreadable, synced_at) ON clusters TO kubewise_worker;
GRANT UPDATE (state, started_at, finished_at, read, objects, kubernetes_version, score, critical, high, medium, low, info,
              opened, fixed, summary, evidence, evidence_bytes), DELETE ON audit_runs TO kubewise_worker;
GRANT INSERT, DELETE, UPDATE (closed_in, closed_at, severity, uid, application, path, message, patch) ON findings
  TO kubewise_worker;
GRANT SELECT, INSERT, DELETE ON organisation_keys TO kubewise_worker;
