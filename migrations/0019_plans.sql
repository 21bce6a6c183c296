-- What organisations pay for, and how many nodes they had.

-- No row: the plan that costs nothing, where the installation bills at all. What Stripe says of the subscription stands here
-- as it was read there the last time.
CREATE TABLE subscriptions (
  org_id         uuid PRIMARY KEY REFERENCES organisations ON DELETE CASCADE,
  plan           text NOT NULL CHECK (plan IN ('free', 'team', 'enterprise')),
  -- Agreed on by people: what Stripe says does not change the plan.
  agreed         boolean NOT NULL DEFAULT false,
  -- Whose limits hold until then, where it had more.
  plan_before    text CHECK (plan_before IN ('free', 'team', 'enterprise')),
  grace_until    timestamptz,
  set_at         timestamptz NOT NULL,
  -- Stripe's ids.
  customer       text UNIQUE,
  subscription   text,
  status         text,
  quantity       bigint CHECK (quantity > 0),
  currency       text,
  period_end     timestamptz,
  trial_end      timestamptz,
  -- When it ends, if it was cancelled.
  ends_at        timestamptz,
  past_due_since timestamptz,
  -- What the next invoice will be, and when.
  next_amount    bigint,
  next_at        timestamptz,
  -- Up to which day Stripe knows the nodes.
  told_day       date,
  -- There is one trial.
  had_trial      boolean NOT NULL DEFAULT false,
  -- The way to Stripe's page on which the plan is bought, while it is open.
  checkout_url   text,
  checkout_until timestamptz,
  checkouts      integer NOT NULL DEFAULT 0,
  -- What is read at Stripe later is newer: the number was drawn before it was read.
  ticket         bigint NOT NULL DEFAULT 0,
  synced_at      timestamptz,
  -- When Stripe is asked the next time.
  sync_at        timestamptz,
  -- Until when whoever asks has time for it.
  asking_until   timestamptz,
  failures       integer NOT NULL DEFAULT 0,
  CONSTRAINT subscriptions_grace CHECK ((plan_before IS NULL) = (grace_until IS NULL))
);
CREATE INDEX subscriptions_due ON subscriptions (sync_at);
CREATE SEQUENCE billing_tickets;

-- Who is billed: what was typed here, or at Stripe.
CREATE TABLE billing_details (
  org_id      uuid PRIMARY KEY REFERENCES organisations ON DELETE CASCADE,
  email       text NOT NULL,
  line1       text NOT NULL DEFAULT '',
  line2       text NOT NULL DEFAULT '',
  city        text NOT NULL DEFAULT '',
  postal_code text NOT NULL DEFAULT '',
  state       text NOT NULL DEFAULT '',
  country     text NOT NULL DEFAULT '',
  -- Changed here, and not told Stripe yet.
  unsent      boolean NOT NULL DEFAULT true
);

-- Stripe's invoices, as they were read the last time.
CREATE TABLE invoices (
  org_id          uuid NOT NULL REFERENCES organisations ON DELETE CASCADE,
  id              text NOT NULL,
  number          text,
  status          text NOT NULL,
  total           bigint NOT NULL,
  currency        text NOT NULL,
  made_at         timestamptz NOT NULL,
  next_attempt_at timestamptz,
  page            text,
  pdf             text,
  PRIMARY KEY (org_id, id)
);

-- What was written to those who pay, so that it is written once.
CREATE TABLE billing_letters (
  org_id     uuid NOT NULL REFERENCES organisations ON DELETE CASCADE,
  letter     text NOT NULL,
  about      timestamptz NOT NULL,
  written_at timestamptz NOT NULL,
  PRIMARY KEY (org_id, letter, about)
);

-- What was found otherwise at Stripe than it was known here, without having been told.
CREATE TABLE billing_differences (
  org_id   uuid NOT NULL REFERENCES organisations ON DELETE CASCADE,
  found_at timestamptz NOT NULL,
  what     text NOT NULL,
  was      text NOT NULL,
  found    text NOT NULL,
  PRIMARY KEY (org_id, found_at, what)
);

-- What Stripe told of: whose customer, and nothing of what happened, which is read at Stripe.
CREATE TABLE stripe_events (
  id          text PRIMARY KEY,
  kind        text NOT NULL,
  customer    text,
  created_at  timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  deliveries  integer NOT NULL DEFAULT 1,
  ticket      bigint NOT NULL,
  done_at     timestamptz
);
CREATE INDEX stripe_events_open ON stripe_events (customer, ticket) WHERE done_at IS NULL;
CREATE INDEX stripe_events_received ON stripe_events (received_at);

-- What a node costs in a month.
CREATE TABLE stripe_price (
  one         boolean PRIMARY KEY DEFAULT true CHECK (one),
  id          text NOT NULL,
  unit_amount bigint,
  currency    text NOT NULL,
  read_at     timestamptz NOT NULL
);

-- The most nodes that a cluster had at once on a day (UTC). A deleted cluster's days stay: they are paid for.
CREATE TABLE node_days (
  org_id     uuid NOT NULL REFERENCES organisations ON DELETE CASCADE,
  day        date NOT NULL,
  cluster_id uuid NOT NULL,
  nodes      bigint NOT NULL CHECK (nodes > 0),
  PRIMARY KEY (org_id, day, cluster_id)
);
CREATE INDEX node_days_old ON node_days (day);

-- Since when the plan is too small for the cluster; its agent is refused once that has lasted.
ALTER TABLE clusters ADD COLUMN beyond_plan_since timestamptz;

DO $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['subscriptions', 'node_days', 'billing_details', 'invoices', 'billing_letters', 'billing_differences'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (org_id = current_org()) WITH CHECK (org_id = current_org())', t);
    EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', t);
  END LOOP;
END
$$;

CREATE POLICY seen_clusters ON node_days AS RESTRICTIVE TO kubewise_web
  USING ((SELECT sees_every_cluster()) OR cluster_id = ANY ((SELECT seen_clusters())::uuid[]));

REVOKE ALL ON stripe_events, stripe_price FROM PUBLIC;

-- Functions that answer for all organisations, or for none yet, are the owner's.
CREATE POLICY all_of_them ON subscriptions TO kubewise_owner USING (true);
ALTER TABLE stripe_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE stripe_events FORCE ROW LEVEL SECURITY;
CREATE POLICY all_of_them ON stripe_events TO kubewise_owner, kubewise_worker USING (true);
CREATE POLICY administrator ON stripe_events FOR SELECT TO kubewise_web USING ((SELECT asking_administrator()));
CREATE POLICY administrator ON subscriptions FOR SELECT TO kubewise_web USING ((SELECT asking_administrator()));
CREATE POLICY administrator ON billing_differences FOR SELECT TO kubewise_web USING ((SELECT asking_administrator()));

GRANT SELECT ON subscriptions, stripe_events, billing_differences TO kubewise_web;
GRANT INSERT (org_id, plan, set_at), UPDATE (customer, checkout_url, checkout_until, checkouts, sync_at)
  ON subscriptions TO kubewise_web;
GRANT SELECT, INSERT, UPDATE ON subscriptions TO kubewise_worker;
GRANT USAGE ON SEQUENCE billing_tickets TO kubewise_worker;
GRANT SELECT, INSERT, UPDATE ON billing_details TO kubewise_web, kubewise_worker;
GRANT SELECT ON invoices, stripe_price TO kubewise_web;
GRANT SELECT, INSERT, UPDATE, DELETE ON invoices TO kubewise_worker;
GRANT SELECT, INSERT, DELETE ON billing_letters, billing_differences TO kubewise_worker;
GRANT SELECT, INSERT, UPDATE ON stripe_price TO kubewise_worker;
GRANT SELECT, UPDATE (done_at), DELETE ON stripe_events TO kubewise_worker;
GRANT SELECT ON node_days TO kubewise_web;
-- Agents tell of nodes as they come; the worker knows of those that stay.
GRANT SELECT, INSERT, UPDATE (nodes) ON node_days TO kubewise_ingest;
GRANT SELECT, INSERT, UPDATE (nodes), DELETE ON node_days TO kubewise_worker;
GRANT UPDATE (beyond_plan_since) ON clusters TO kubewise_worker;
GRANT SELECT (nodes, created_at, last_heard_at, beyond_plan_since) ON clusters TO kubewise_worker;

-- How much an organisation has of what plans limit: also of what the asker does not see.
CREATE FUNCTION plan_usage(moment timestamptz)
  RETURNS TABLE (clusters bigint, nodes bigint, members bigint, schedules bigint, notifications bigint)
  LANGUAGE sql STABLE SECURITY DEFINER ROWS 1 SET search_path = public, pg_temp AS $$
    SELECT (SELECT count(*) FROM clusters c WHERE c.org_id = current_org() AND c.deleted_at IS NULL),
           (SELECT coalesce(sum(c.nodes), 0)::bigint FROM clusters c WHERE c.org_id = current_org() AND c.deleted_at IS NULL),
           (SELECT count(*) FROM memberships m WHERE m.org_id = current_org())
             + (SELECT count(*) FROM invitations i WHERE i.org_id = current_org() AND i.accepted_at IS NULL
                  AND i.revoked_at IS NULL AND i.expires_at > moment),
           (SELECT count(*) FROM audit_schedules s JOIN clusters c ON c.org_id = s.org_id AND c.id = s.cluster_id
              WHERE s.org_id = current_org() AND c.deleted_at IS NULL),
           (SELECT count(*) FROM notifications n WHERE n.org_id = current_org() AND n.ended_at IS NULL)
  $$;
REVOKE ALL ON FUNCTION plan_usage(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION plan_usage(timestamptz) TO kubewise_web, kubewise_worker;

-- Where nodes are counted: nothing but the ids of organisations is answered.
CREATE FUNCTION organisation_ids() RETURNS TABLE (org_id uuid)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT o.id FROM organisations o
  $$;
REVOKE ALL ON FUNCTION organisation_ids() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION organisation_ids() TO kubewise_worker;

-- Of which organisations Stripe is to be asked.
CREATE FUNCTION billing_due(moment timestamptz) RETURNS TABLE (org_id uuid)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT s.org_id FROM subscriptions s WHERE s.sync_at <= moment AND s.customer IS NOT NULL ORDER BY s.sync_at LIMIT 50
  $$;

-- Takes down what Stripe tells of; answers whose it is, once: nobody when it was told before, or is nobody's here.
CREATE FUNCTION receive_stripe_event(event text, kind text, of text, created timestamptz, moment timestamptz)
  RETURNS TABLE (org_id uuid)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  DECLARE
    fresh boolean;
    whose uuid;
  BEGIN
    INSERT INTO stripe_events AS e (id, kind, customer, created_at, received_at, ticket)
    VALUES (event, kind, of, created, moment, nextval('billing_tickets'))
    ON CONFLICT (id) DO UPDATE SET deliveries = e.deliveries + 1
    RETURNING e.deliveries = 1 INTO fresh;
    IF NOT fresh THEN
      RETURN;
    END IF;
    UPDATE subscriptions s SET sync_at = moment WHERE s.customer = of RETURNING s.org_id INTO whose;
    IF whose IS NULL THEN
      UPDATE stripe_events e SET done_at = moment WHERE e.id = event;
    ELSE
      RETURN QUERY SELECT whose;
    END IF;
  END
  $$;

-- Has Stripe asked again about what an event told of; answers whose it is.
CREATE FUNCTION replay_stripe_event(event text, moment timestamptz) RETURNS TABLE (org_id uuid)
  LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH replayed AS (
      UPDATE stripe_events e SET done_at = NULL, ticket = nextval('billing_tickets')
      WHERE e.id = event AND asking_administrator() RETURNING e.customer
    )
    UPDATE subscriptions s SET sync_at = moment FROM replayed r WHERE s.customer = r.customer RETURNING s.org_id
  $$;

-- The members who pay, or see to it, for mail.
CREATE FUNCTION billing_recipients() RETURNS TABLE (user_id uuid, name text, email text)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT u.id, u.name, u.email FROM memberships m JOIN users u ON u.id = m.user_id
    WHERE m.org_id = current_org() AND m.role IN ('owner', 'admin', 'billing') AND u.disabled_at IS NULL
      AND u.email_verified_at IS NOT NULL
  $$;
REVOKE ALL ON FUNCTION billing_due(timestamptz), receive_stripe_event(text, text, text, timestamptz, timestamptz),
  replay_stripe_event(text, timestamptz), billing_recipients() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing_due(timestamptz), billing_recipients() TO kubewise_worker;
GRANT EXECUTE ON FUNCTION receive_stripe_event(text, text, text, timestamptz, timestamptz),
  replay_stripe_event(text, timestamptz) TO kubewise_web;
