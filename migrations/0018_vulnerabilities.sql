-- What scanners know to be wrong with images, from the reports that Trivy Operator leaves in the cluster.

-- A reference in full, so that two ways to write it are one: docker.io/library/nginx:1.25 for nginx:1.25 and for
-- index.docker.io/library/nginx:1.25. Who names a digest means that, whatever the tag says (github.com/distribution/reference).
-- None for what is too long to be a reference.
CREATE FUNCTION image_key(reference text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT CASE WHEN octet_length(reference) <= 1024 THEN
    CASE WHEN host IN ('', 'docker.io', 'index.docker.io', 'registry-1.docker.io')
      THEN 'docker.io/' || CASE WHEN path LIKE '%/%' THEN '' ELSE 'library/' END
      ELSE host || '/' END
    || path || CASE WHEN digest <> '' THEN '@' || digest ELSE ':' || coalesce(tag, 'latest') END
  END
  FROM (SELECT split_part(reference, '@', 2) AS digest, split_part(reference, '@', 1) AS named) AS parts,
       -- A colon before the last slash belongs to the registry's port.
       LATERAL (SELECT substring(named FROM ':([^:/]*)$') AS tag, regexp_replace(named, ':[^:/]*$', '') AS untagged) AS tagged,
       -- The first part is a registry if it looks like a host.
       LATERAL (SELECT CASE WHEN untagged ~ '^([^/]*[.:][^/]*|localhost)/' THEN split_part(untagged, '/', 1) ELSE '' END AS host)
         AS hosted,
       LATERAL (SELECT CASE WHEN host = '' THEN untagged ELSE substr(untagged, length(host) + 2) END AS path) AS pathed
$$;

ALTER TABLE cluster_images ADD COLUMN key text COLLATE "C" GENERATED ALWAYS AS (image_key(image)) STORED;
CREATE INDEX cluster_images_key ON cluster_images (org_id, cluster_id, key);

-- The newest report on each image.
CREATE TABLE image_scans (
  org_id          uuid NOT NULL,
  cluster_id      uuid NOT NULL,
  key             text COLLATE "C" NOT NULL,
  -- Which report, and what it was when it was read: tells whether there is anything to do.
  report          uuid NOT NULL,
  hash            bytea NOT NULL,
  scanned_at      timestamptz NOT NULL,
  scanner         text NOT NULL,
  scanner_version text NOT NULL,
  -- The distribution in the image: debian 12.5
  os              text NOT NULL,
  critical        bigint NOT NULL,
  high            bigint NOT NULL,
  medium          bigint NOT NULL,
  low             bigint NOT NULL,
  unknown         bigint NOT NULL,
  -- How many of those that are kept another version of the package has mended.
  fixable         bigint NOT NULL,
  -- How many were found and are not kept.
  truncated       bigint NOT NULL,
  PRIMARY KEY (org_id, cluster_id, key),
  FOREIGN KEY (org_id, cluster_id) REFERENCES clusters (org_id, id)
);
CREATE INDEX image_scans_worst ON image_scans (org_id, cluster_id, critical DESC, high DESC, key);

-- What it says.
CREATE TABLE vulnerabilities (
  org_id     uuid NOT NULL,
  cluster_id uuid NOT NULL,
  key        text COLLATE "C" NOT NULL,
  -- CVE-2024-3094, GHSA-…
  id         text COLLATE "C" NOT NULL,
  package    text COLLATE "C" NOT NULL,
  installed  text COLLATE "C" NOT NULL,
  -- Empty: no version has it mended yet.
  fixed      text NOT NULL,
  -- 0 unknown, 1 low, 2 medium, 3 high, 4 critical
  severity   smallint NOT NULL CHECK (severity BETWEEN 0 AND 4),
  -- CVSS in tenths.
  score      smallint CHECK (score BETWEEN 0 AND 100),
  title      text NOT NULL,
  -- Empty, or https.
  link       text NOT NULL CHECK (link = '' OR link LIKE 'https://%'),
  PRIMARY KEY (org_id, cluster_id, key, id, package, installed),
  FOREIGN KEY (org_id, cluster_id) REFERENCES clusters (org_id, id)
);
-- Worst first: of the whole cluster, and of an image. And one of them, wherever it is.
CREATE INDEX vulnerabilities_worst ON vulnerabilities (org_id, cluster_id, severity DESC, id, package, installed, key);
CREATE INDEX vulnerabilities_image ON vulnerabilities (org_id, cluster_id, key, severity DESC, id, package, installed);
CREATE INDEX vulnerabilities_id ON vulnerabilities (org_id, id, cluster_id, key, package, installed);

DO $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['image_scans', 'vulnerabilities'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (org_id = current_org()) WITH CHECK (org_id = current_org())', t);
    EXECUTE format('CREATE POLICY seen_clusters ON %I AS RESTRICTIVE TO kubewise_web
      USING ((SELECT sees_every_cluster()) OR cluster_id = ANY ((SELECT seen_clusters())::uuid[]))', t);
    EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', t);
  END LOOP;
END
$$;

-- Pages read, ingest writes what the reports say, the worker removes what deleted clusters held.
GRANT SELECT ON image_scans, vulnerabilities TO kubewise_web;
GRANT SELECT (org_id, cluster_id, key, report, hash), INSERT, DELETE ON image_scans TO kubewise_ingest;
GRANT SELECT (org_id, cluster_id, key), INSERT, DELETE ON vulnerabilities TO kubewise_ingest;
GRANT SELECT (org_id, cluster_id, key), DELETE ON image_scans, vulnerabilities TO kubewise_worker;
