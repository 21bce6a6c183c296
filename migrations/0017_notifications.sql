-- What is told to people and programs that do not look at pages.

CREATE TABLE notifications (
  org_id          uuid NOT NULL REFERENCES organisations ON DELETE CASCADE,
  id              uuid NOT NULL,
  name            text NOT NULL,
  channel         text NOT NULL CHECK (channel IN ('mail', 'webhook', 'slack')),
  -- Whom mail is for. It ends with the membership.
  user_id         uuid,
  created_by      uuid NOT NULL,
  created_at      timestamptz NOT NULL,
  -- Of this cluster alone; null: of all that the recipient sees.
  cluster_id      uuid,
  -- Findings of these alone; null: of all.
  namespaces      text[],
  -- New findings at least this severe; null: not told of.
  least_severity  smallint CHECK (least_severity BETWEEN 0 AND 4),
  failed_runs     boolean NOT NULL,
  silent_clusters boolean NOT NULL,
  -- When a digest is sent, as in audit_schedules; null: everything is told at once.
  cron            text,
  time_zone       text,
  next_at         timestamptz,
  -- The last digest was of what happened until then.
  told_until      timestamptz,
  -- Where a webhook leads and what it is signed with, sealed under the master key: both let whoever has them in. Of the
  -- address people see the host.
  url             bytea,
  host            text,
  secret          bytea,
  -- Deliveries that failed for good, one after the other.
  failures        integer NOT NULL DEFAULT 0,
  -- Why and since when nothing is told any more.
  ended_at        timestamptz,
  ended           text CHECK (ended IN ('gone', 'failures')),
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id) ON DELETE CASCADE,
  FOREIGN KEY (org_id, cluster_id) REFERENCES clusters (org_id, id) ON DELETE CASCADE,
  CONSTRAINT notifications_to CHECK (CASE channel
    WHEN 'mail' THEN user_id IS NOT NULL AND url IS NULL AND secret IS NULL
    ELSE user_id IS NULL AND url IS NOT NULL AND host IS NOT NULL AND cron IS NULL END),
  CONSTRAINT notifications_signed CHECK ((channel = 'webhook') = (secret IS NOT NULL)),
  CONSTRAINT notifications_digest CHECK ((cron IS NULL) = (time_zone IS NULL) AND (cron IS NULL) = (told_until IS NULL)),
  CONSTRAINT notifications_ended CHECK ((ended IS NULL) = (ended_at IS NULL))
);
CREATE INDEX notifications_user ON notifications (org_id, user_id);
CREATE INDEX notifications_cluster ON notifications (org_id, cluster_id);
CREATE INDEX notifications_due ON notifications (next_at) WHERE ended_at IS NULL;

-- What was told, and what is to be.
CREATE TABLE notification_deliveries (
  org_id          uuid NOT NULL,
  notification_id uuid NOT NULL,
  -- Made from what is told of, so that the same is never told twice; receivers know it as webhook-id.
  id              uuid NOT NULL,
  event           text NOT NULL CHECK (event IN ('findings.new', 'audit.failed', 'audit.missed', 'cluster.silent',
                                                 'digest', 'test')),
  -- About which cluster, and which of its audits.
  cluster_id      uuid,
  audit           bigint,
  -- When an audit was due, when a cluster was heard last, from when on a digest tells.
  since           timestamptz,
  -- When it happened: until then a digest tells.
  made_at         timestamptz NOT NULL,
  state           text NOT NULL CHECK (state IN ('waiting', 'sent', 'failed', 'nothing')),
  attempts        integer NOT NULL DEFAULT 0,
  tried_at        timestamptz,
  -- When it is tried again; while an attempt is under way, when that is taken to have been lost.
  next_try_at     timestamptz,
  -- What came of the last attempt: nothing that a receiver wrote.
  answer          text,
  PRIMARY KEY (org_id, notification_id, id),
  FOREIGN KEY (org_id, notification_id) REFERENCES notifications (org_id, id) ON DELETE CASCADE
);
CREATE INDEX notification_deliveries_made ON notification_deliveries (org_id, notification_id, made_at DESC, id DESC);
CREATE INDEX notification_deliveries_due ON notification_deliveries (next_try_at) WHERE state = 'waiting';
CREATE INDEX notification_deliveries_old ON notification_deliveries (made_at);

-- Silences that were seen: each is told once.
CREATE TABLE cluster_silences (
  org_id        uuid NOT NULL,
  cluster_id    uuid NOT NULL,
  -- When the agent was heard last before it.
  last_heard_at timestamptz NOT NULL,
  seen_at       timestamptz NOT NULL,
  PRIMARY KEY (org_id, cluster_id),
  FOREIGN KEY (org_id, cluster_id) REFERENCES clusters (org_id, id) ON DELETE CASCADE
);

DO $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['notifications', 'notification_deliveries', 'cluster_silences'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (org_id = current_org()) WITH CHECK (org_id = current_org())', t);
    EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', t);
  END LOOP;
  FOREACH t IN ARRAY ARRAY['notifications', 'notification_deliveries'] LOOP
    EXECUTE format('CREATE POLICY seen_clusters ON %I AS RESTRICTIVE TO kubewise_web
      USING (cluster_id IS NULL OR (SELECT sees_every_cluster()) OR cluster_id = ANY ((SELECT seen_clusters())::uuid[]))', t);
  END LOOP;
END
$$;

-- Pages make them and end them; where a webhook leads, and by which secret it is signed, they write and never read.
GRANT SELECT (org_id, id, name, channel, user_id, created_by, created_at, cluster_id, namespaces, least_severity, failed_runs,
              silent_clusters, cron, time_zone, next_at, told_until, host, failures, ended_at, ended),
  INSERT, UPDATE (failures, ended_at, ended, next_at, told_until), DELETE ON notifications TO kubewise_web;
GRANT SELECT, INSERT (org_id, notification_id, id, event, made_at, state, next_try_at) ON notification_deliveries
  TO kubewise_web;

-- The worker sends, and says what became of it.
GRANT SELECT, UPDATE (next_at, told_until, failures, ended_at, ended) ON notifications TO kubewise_worker;
GRANT SELECT, INSERT, UPDATE (state, attempts, tried_at, next_try_at, answer), DELETE ON notification_deliveries
  TO kubewise_worker;
GRANT SELECT, INSERT, UPDATE (last_heard_at, seen_at) ON cluster_silences TO kubewise_worker;
GRANT SELECT (last_heard_at) ON clusters TO kubewise_worker;
-- What is told leads to pages.
GRANT SELECT (slug) ON organisations TO kubewise_worker;

-- Where something is to be looked at, before it is known which tenant it is: nothing but the ids of organisations is answered.
-- `silences`: also whether clusters fell silent, which is not looked at as often.
CREATE FUNCTION organisations_to_notify(moment timestamptz, silences boolean) RETURNS TABLE (org_id uuid)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT n.org_id FROM notifications n
    WHERE n.ended_at IS NULL AND ((silences AND n.silent_clusters) OR n.next_at <= moment)
    UNION
    SELECT d.org_id FROM notification_deliveries d WHERE d.state = 'waiting' AND d.next_try_at <= moment
  $$;
CREATE POLICY due ON notifications FOR SELECT TO kubewise_owner USING (true);
CREATE POLICY due ON notification_deliveries FOR SELECT TO kubewise_owner USING (true);

-- Of which organisations something is older than it is kept.
CREATE FUNCTION organisations_with_deliveries_before(moment timestamptz) RETURNS TABLE (org_id uuid)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT DISTINCT d.org_id FROM notification_deliveries d WHERE d.made_at < moment
  $$;

-- Whom a mail of the stated organisation is for, as they are now; nobody when they are no member any more, are shut out, or
-- have not set up the second factor that the organisation asks for: pages show them nothing of it either.
CREATE FUNCTION recipient(member uuid) RETURNS TABLE (name text, email text, role text, clusters uuid[])
  LANGUAGE sql STABLE SECURITY DEFINER ROWS 1 SET search_path = public, pg_temp AS $$
    SELECT u.name, u.email, m.role, m.clusters
    FROM memberships m JOIN users u ON u.id = m.user_id JOIN organisations o ON o.id = m.org_id
    WHERE m.org_id = current_org() AND m.user_id = member AND u.disabled_at IS NULL
      AND (NOT o.requires_second_factor
           OR EXISTS (SELECT FROM authenticators a WHERE a.user_id = u.id AND a.confirmed_at IS NOT NULL)
           OR EXISTS (SELECT FROM passkeys p WHERE p.user_id = u.id))
  $$;
REVOKE ALL ON FUNCTION organisations_to_notify(timestamptz, boolean), organisations_with_deliveries_before(timestamptz),
  recipient(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION organisations_to_notify(timestamptz, boolean), organisations_with_deliveries_before(timestamptz),
  recipient(uuid) TO kubewise_worker;
