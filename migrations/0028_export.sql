-- What a person takes out is read by the worker, in a transaction that states the person, and one organisation after the
-- other: of each table, the columns that docs/privacy/register.toml says are about people and given to them.
GRANT SELECT (id, name, email, email_canonical, created_at, email_verified_at, disabled_at, is_administrator) ON users TO
  kubewise_worker;
GRANT SELECT (user_id, data, created_at, last_seen_at) ON sessions TO kubewise_worker;
GRANT SELECT (user_id, purpose, email, created_at, expires_at) ON account_links TO kubewise_worker;
GRANT SELECT (user_id, created_at, last_seen_at) ON known_browsers TO kubewise_worker;
GRANT SELECT (user_id, created_at, confirmed_at, last_step) ON authenticators TO kubewise_worker;
GRANT SELECT (user_id, created_at) ON recovery_codes TO kubewise_worker;
GRANT SELECT (user_id, credential_id, name, passkey, created_at, last_used_at) ON passkeys TO kubewise_worker;
GRANT SELECT (issuer, subject, user_id, email, created_at, last_used_at) ON identities TO kubewise_worker;
GRANT SELECT (email_canonical, created_at, expires_at) ON sign_up_invitations TO kubewise_worker;
GRANT SELECT (org_id, user_id, role, created_at, clusters) ON memberships TO kubewise_worker;
GRANT SELECT (org_id, id, email, email_canonical, role, clusters, invited_by, created_at, expires_at, accepted_at,
  revoked_at) ON invitations TO kubewise_worker;
GRANT SELECT (org_id, seq, at, person_id, token_id, place, action, subject_id, subject, before, after, erased_at) ON
  activity TO kubewise_worker;
GRANT SELECT (org_id, id, name, user_id, created_by, permissions, clusters, created_at, expires_at, last_used_at,
  revoked_at) ON api_tokens TO kubewise_worker;
GRANT SELECT (org_id, id, name, channel, user_id, created_by, created_at, cluster_id, namespaces, least_severity,
  failed_runs, silent_clusters, cron, time_zone, next_at, told_until, host, failures, ended_at, ended) ON notifications TO
  kubewise_worker;
GRANT SELECT (org_id, id, rule, reason, expires_on, requested_at, requested_by, approved_at, approved_by, ended_at,
  ended_by) ON waivers TO kubewise_worker;
GRANT SELECT (org_id, email, line1, line2, city, postal_code, state, country, unsent) ON billing_details TO kubewise_worker;
GRANT SELECT (org_id, cluster_id, number, requested_at, requested_by) ON audit_runs TO kubewise_worker;
GRANT SELECT (org_id, pseudonym, user_id) ON pseudonyms TO kubewise_worker;
GRANT SELECT (user_id, policy, version, accepted_at) ON policy_acceptances TO kubewise_worker;
GRANT SELECT (user_id, since) ON policy_subscriptions TO kubewise_worker;
GRANT SELECT (user_id, policy, version, written_at) ON policy_letters TO kubewise_worker;
GRANT SELECT (user_id, created_at) ON person_keys TO kubewise_worker;
GRANT SELECT (id, user_id, requested_at, next_try_at, object, bytes, made_at, expires_at, used_at) ON exports TO
  kubewise_worker;
GRANT SELECT (id, kind, user_id, org_id, cluster_id, requested_at, due_at, next_try_at, begun_at, held, ended_at,
  certificate) ON erasures TO kubewise_worker;
