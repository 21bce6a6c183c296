-- The end of an organisation at Stripe.

-- Since when billing has ended for good, because the organisation is deleted: Stripe is neither asked nor told anything
-- more, but what ends it there.
ALTER TABLE subscriptions ADD COLUMN closed_at timestamptz,
  ADD CONSTRAINT subscriptions_closed CHECK (closed_at IS NULL OR sync_at IS NULL);

-- Of a customer that is not there any more, nothing is kept.
GRANT UPDATE (customer) ON stripe_events TO kubewise_worker;

-- Takes down what Stripe tells of; answers whose it is, once: nobody when it was told before, or is nobody's here, or not
-- any more. Whose it was is then not kept.
CREATE OR REPLACE FUNCTION receive_stripe_event(event text, kind text, of text, created timestamptz, moment timestamptz)
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
    UPDATE subscriptions s SET sync_at = moment WHERE s.customer = of AND s.closed_at IS NULL RETURNING s.org_id INTO whose;
    IF whose IS NULL THEN
      UPDATE stripe_events e SET done_at = moment, customer = NULL WHERE e.id = event;
    ELSE
      RETURN QUERY SELECT whose;
    END IF;
  END
  $$;

-- Has Stripe asked again about what an event told of; answers whose it is.
CREATE OR REPLACE FUNCTION replay_stripe_event(event text, moment timestamptz) RETURNS TABLE (org_id uuid)
  LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH replayed AS (
      UPDATE stripe_events e SET done_at = NULL, ticket = nextval('billing_tickets')
      WHERE e.id = event AND asking_administrator() RETURNING e.customer
    )
    UPDATE subscriptions s SET sync_at = moment FROM replayed r WHERE s.customer = r.customer AND s.closed_at IS NULL
    RETURNING s.org_id
  $$;
