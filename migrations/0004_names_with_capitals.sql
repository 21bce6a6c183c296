-- Names are in lower case, but for a few that RBAC and some custom resources allow. Comparing all names without regard
-- to case takes twice as long; so those few are kept where a text is looked for in any case.
CREATE INDEX resources_capitals ON resources (org_id, cluster_id, kind, namespace, name, uid) WHERE name <> lower(name);
