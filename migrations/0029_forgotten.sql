-- Deletions find what they did not (docs/adr/0036).

-- An account is out of use from the moment that its deletion is asked for.
CREATE FUNCTION end_account() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  UPDATE users SET disabled_at = coalesce(disabled_at, NEW.requested_at) WHERE id = NEW.user_id;
  RETURN NULL;
END
$$;
CREATE TRIGGER erasures_account AFTER INSERT ON erasures FOR EACH ROW WHEN (NEW.kind = 'account')
  EXECUTE FUNCTION end_account();

-- Nobody lets it in again.
CREATE OR REPLACE FUNCTION disable_account(account uuid, since timestamptz) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF NOT asking_administrator() OR account = asking_user() OR EXISTS (SELECT FROM erasures WHERE user_id = account) THEN
    RETURN false;
  END IF;
  UPDATE users SET disabled_at = since WHERE id = account;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  IF since IS NOT NULL THEN
    DELETE FROM sessions WHERE user_id = account;
  END IF;
  RETURN true;
END
$$;

-- It joins nothing and makes nothing any more: otherwise it could be the only Owner of something, and never go.
CREATE FUNCTION refuse_ended_account() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  -- Whoever asks for its deletion just now has this lock, too: one sees what the other has done.
  PERFORM FROM users WHERE id = NEW.user_id FOR NO KEY UPDATE;
  IF EXISTS (SELECT FROM erasures WHERE user_id = NEW.user_id) THEN
    RAISE EXCEPTION 'the account is being deleted' USING ERRCODE = 'integrity_constraint_violation',
      CONSTRAINT = 'memberships_account';
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION end_account(), refuse_ended_account() FROM PUBLIC;
CREATE TRIGGER memberships_account BEFORE INSERT ON memberships FOR EACH ROW EXECUTE FUNCTION refuse_ended_account();

-- What somebody was called, and by which proven addresses they were known: others may have typed it, and it is deleted too.
ALTER TABLE users ADD COLUMN former_names text[] NOT NULL DEFAULT '{}', ADD COLUMN former_addresses text[] NOT NULL DEFAULT '{}';
CREATE FUNCTION keep_former() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  -- The latest ten of each.
  IF NEW.name <> OLD.name THEN
    NEW.former_names := array_append(array_remove(OLD.former_names, OLD.name), OLD.name);
    NEW.former_names := NEW.former_names[greatest(1, cardinality(NEW.former_names) - 9):];
  END IF;
  IF NEW.email <> OLD.email AND OLD.email_verified_at IS NOT NULL THEN
    NEW.former_addresses := array_append(array_remove(OLD.former_addresses, OLD.email), OLD.email);
    NEW.former_addresses := NEW.former_addresses[greatest(1, cardinality(NEW.former_addresses) - 9):];
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER users_former BEFORE UPDATE OF name, email ON users FOR EACH ROW EXECUTE FUNCTION keep_former();
GRANT SELECT (former_names, former_addresses) ON users TO kubewise_worker;

-- Whose an invitation was, whatever their address is by now.
ALTER TABLE invitations ADD COLUMN accepted_by uuid REFERENCES users ON DELETE CASCADE;
CREATE INDEX invitations_accepted_by ON invitations (accepted_by);
GRANT SELECT (accepted_by), UPDATE (accepted_by) ON invitations TO kubewise_web;
GRANT SELECT (accepted_by) ON invitations TO kubewise_worker;
DO $$
DECLARE
  org uuid;
BEGIN
  FOR org IN SELECT id FROM organisations LOOP
    PERFORM set_config('kubewise.org_id', org::text, true);
    UPDATE invitations i SET accepted_by = u.id FROM users u
      WHERE i.org_id = org AND i.accepted_at IS NOT NULL AND u.email_canonical = i.email_canonical;
  END LOOP;
  PERFORM set_config('kubewise.org_id', '', true);
END
$$;

-- What others keep of what is deleted, once it is known: a deletion that is broken off after that still says so.
ALTER TABLE erasures ADD COLUMN kept jsonb;
GRANT UPDATE (kept) ON erasures TO kubewise_worker;

-- What was removed when it was asked for is counted then.
GRANT INSERT (held) ON erasures TO kubewise_web;
