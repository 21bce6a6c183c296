-- The logins. Roles belong to the whole PostgreSQL server, so they may exist already: made by an administrator,
-- by the embedded instance, or for another database. Passwords and certificates are set outside of migrations.
DO $$
DECLARE
  login text;
BEGIN
  -- Two databases may be migrated at once on one server.
  PERFORM pg_advisory_xact_lock(7305803451);
  FOREACH login IN ARRAY ARRAY['kubewise_owner', 'kubewise_web', 'kubewise_ingest', 'kubewise_worker'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = login) THEN
      EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', login);
    END IF;
  END LOOP;
  -- Not a login: owns the one function that looks at names without row-level security in the way (see 0003).
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kubewise_search') THEN
    CREATE ROLE kubewise_search NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
  END IF;
  -- The owner can become kubewise_search, to give it the function, but does not have its rights otherwise: else the
  -- function's policy would let the owner see all tenants too.
  IF (SELECT rolinherit FROM pg_roles WHERE rolname = 'kubewise_owner') THEN
    ALTER ROLE kubewise_owner NOINHERIT;
  END IF;
  IF NOT pg_has_role('kubewise_owner', 'kubewise_search', 'MEMBER') THEN
    GRANT kubewise_search TO kubewise_owner;
  END IF;
END
$$;
