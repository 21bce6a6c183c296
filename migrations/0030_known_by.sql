-- Where an address is billed, before it is known which tenants those are: nothing but the ids of organisations is answered.
-- Who is billed need not be a member.
CREATE INDEX billing_details_address ON billing_details (lower(email));
CREATE POLICY by_address ON billing_details FOR SELECT TO kubewise_owner USING (true);
CREATE FUNCTION organisations_billing(address text) RETURNS TABLE (org_id uuid)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT b.org_id FROM billing_details b WHERE lower(b.email) = address
  $$;
REVOKE ALL ON FUNCTION organisations_billing(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION organisations_billing(text) TO kubewise_worker;
