-- The policies on the website are files (docs/policies). Here is who agreed to which version, and who is told of new ones.

-- What somebody agreed to when their account was made.
CREATE TABLE policy_acceptances (
  user_id     uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  policy      text NOT NULL,
  -- The date of the version.
  version     date NOT NULL,
  accepted_at timestamptz NOT NULL,
  PRIMARY KEY (user_id, policy, version)
);

-- Who asked to be told of significant changes.
CREATE TABLE policy_subscriptions (
  user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
  -- What their mails carry to end them. Not a hash: each mail has it anew, and all it opens is the end of these mails.
  token   bytea NOT NULL UNIQUE CHECK (octet_length(token) = 32),
  since   timestamptz NOT NULL
);

-- Which version was published when, by whoever runs the installation.
CREATE TABLE policy_publications (
  policy       text NOT NULL,
  version      date NOT NULL,
  published_at timestamptz NOT NULL,
  PRIMARY KEY (policy, version)
);

-- Who was written to about which: nobody twice.
CREATE TABLE policy_letters (
  user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  policy     text NOT NULL,
  version    date NOT NULL,
  written_at timestamptz NOT NULL,
  PRIMARY KEY (user_id, policy, version)
);

REVOKE ALL ON policy_acceptances, policy_subscriptions, policy_publications, policy_letters FROM PUBLIC;
-- What was agreed to is not told otherwise afterwards.
GRANT SELECT, INSERT ON policy_acceptances TO kubewise_web;
GRANT SELECT, INSERT, DELETE ON policy_subscriptions TO kubewise_web;
-- A mail that waits is sent to who still wants it.
GRANT SELECT (user_id, token) ON policy_subscriptions TO kubewise_worker;
