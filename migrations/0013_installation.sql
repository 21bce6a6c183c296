-- Whoever administers the installation sees which organisations there are, and which accounts; nothing of any cluster.
ALTER TABLE users ADD COLUMN is_administrator boolean NOT NULL DEFAULT false;

-- Stated by the pages of the installation alone, so that an administrator's other pages see no more than anybody's.
CREATE FUNCTION asking_administrator() RETURNS boolean LANGUAGE sql STABLE
  RETURN coalesce(current_setting('kubewise.installation', true), '') = 'on'
    AND EXISTS (SELECT FROM users u WHERE u.id = asking_user() AND u.is_administrator AND u.disabled_at IS NULL);

CREATE POLICY administrator ON organisations FOR SELECT TO kubewise_web USING ((SELECT asking_administrator()));
CREATE POLICY administrator ON memberships FOR SELECT TO kubewise_web USING ((SELECT asking_administrator()));

-- Shuts an account out, or lets it in again; its sessions end. No login may set the column by itself.
CREATE FUNCTION disable_account(account uuid, since timestamptz) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF NOT asking_administrator() OR account = asking_user() THEN
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
REVOKE ALL ON FUNCTION disable_account(uuid, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION disable_account(uuid, timestamptz) TO kubewise_web;
