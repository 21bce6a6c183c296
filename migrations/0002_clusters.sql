-- Clusters, their tokens, and what runs in them.

CREATE TABLE clusters (
  org_id             uuid NOT NULL REFERENCES organisations ON DELETE CASCADE,
  id                 uuid NOT NULL,
  name               text NOT NULL CHECK (length(name) BETWEEN 1 AND 63),
  created_at         timestamptz NOT NULL,
  -- Set when deletion was asked for: invisible from then on, while a job removes what it held.
  deleted_at         timestamptz,
  -- What the agent said of itself and of the cluster, last.
  agent_version      text,
  cluster_uid        text,
  kubernetes_version text,
  last_heard_at      timestamptz,
  synced_at          timestamptz,
  unreadable         jsonb NOT NULL DEFAULT '[]',
  -- Figures for lists, kept by ingest in the transaction that changes what they count.
  resources          bigint NOT NULL DEFAULT 0,
  workloads          bigint NOT NULL DEFAULT 0,
  pods               bigint NOT NULL DEFAULT 0,
  nodes              bigint NOT NULL DEFAULT 0,
  nodes_ready        bigint NOT NULL DEFAULT 0,
  namespaces         bigint NOT NULL DEFAULT 0,
  images             bigint NOT NULL DEFAULT 0,
  mutable_images     bigint NOT NULL DEFAULT 0,
  applications       bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (org_id, id)
);
CREATE UNIQUE INDEX clusters_name ON clusters (org_id, name) WHERE deleted_at IS NULL;

CREATE TABLE cluster_tokens (
  org_id     uuid NOT NULL,
  -- SHA-256 of the token.
  hash       bytea NOT NULL CHECK (octet_length(hash) = 32),
  cluster_id uuid NOT NULL,
  created_at timestamptz NOT NULL,
  revoked_at timestamptz,
  PRIMARY KEY (org_id, hash),
  FOREIGN KEY (org_id, cluster_id) REFERENCES clusters (org_id, id) ON DELETE CASCADE
);
CREATE INDEX cluster_tokens_cluster ON cluster_tokens (org_id, cluster_id);

CREATE TABLE resources (
  org_id      uuid NOT NULL,
  cluster_id  uuid NOT NULL,
  -- metadata.uid
  uid         uuid NOT NULL,
  -- Group-kind as Kubernetes writes it: Pod, Deployment.apps
  kind        text COLLATE "C" NOT NULL,
  api_version text NOT NULL,
  -- Empty for cluster-scoped kinds, so that it can be part of a key.
  namespace   text COLLATE "C" NOT NULL,
  name        text COLLATE "C" NOT NULL,
  created_at  timestamptz,
  updated_at  timestamptz NOT NULL,
  -- True for what a person deployed: not made by a controller.
  workload    boolean NOT NULL,
  health      text NOT NULL,
  ready       integer,
  desired     integer,
  application text COLLATE "C",
  app_source  text,
  app_version text,
  images      text[] NOT NULL,
  owner_uid   uuid,
  owner_kind  text,
  owner_name  text,
  node        text,
  -- What only nodes and namespaces have, for their lists.
  info        jsonb,
  -- First half of the SHA-256 of the manifest: tells a resend from a change.
  hash        bytea NOT NULL,
  -- The stripped manifest, JSON, zstd.
  manifest    bytea NOT NULL,
  PRIMARY KEY (org_id, cluster_id, uid),
  FOREIGN KEY (org_id, cluster_id) REFERENCES clusters (org_id, id)
);
-- Compressed already; and out of line, so that lists read narrow rows.
ALTER TABLE resources ALTER COLUMN manifest SET STORAGE EXTERNAL;
ALTER TABLE resources SET (toast_tuple_target = 512, autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE INDEX resources_kind ON resources (org_id, cluster_id, kind, namespace, name, uid);
CREATE INDEX resources_workload ON resources (org_id, cluster_id, namespace, name, uid) INCLUDE (kind, application)
  WHERE workload;
CREATE INDEX resources_application ON resources (org_id, cluster_id, namespace, application) WHERE workload;
CREATE INDEX resources_owner ON resources (org_id, cluster_id, owner_uid) WHERE owner_uid IS NOT NULL;

-- Counts, kept by ingest so that no page counts rows.
CREATE TABLE cluster_kinds (
  org_id     uuid NOT NULL,
  cluster_id uuid NOT NULL,
  kind       text COLLATE "C" NOT NULL,
  count      bigint NOT NULL,
  PRIMARY KEY (org_id, cluster_id, kind),
  FOREIGN KEY (org_id, cluster_id) REFERENCES clusters (org_id, id)
);
CREATE TABLE cluster_namespaces (
  org_id     uuid NOT NULL,
  cluster_id uuid NOT NULL,
  name       text COLLATE "C" NOT NULL,
  resources  bigint NOT NULL,
  workloads  bigint NOT NULL,
  failing    bigint NOT NULL,
  pods       bigint NOT NULL,
  PRIMARY KEY (org_id, cluster_id, name),
  FOREIGN KEY (org_id, cluster_id) REFERENCES clusters (org_id, id)
);
CREATE TABLE cluster_images (
  org_id     uuid NOT NULL,
  cluster_id uuid NOT NULL,
  -- The whole reference as written; parsed when it is shown.
  image      text COLLATE "C" NOT NULL,
  namespace  text COLLATE "C" NOT NULL,
  workloads  bigint NOT NULL,
  pods       bigint NOT NULL,
  PRIMARY KEY (org_id, cluster_id, image, namespace),
  FOREIGN KEY (org_id, cluster_id) REFERENCES clusters (org_id, id)
);
CREATE TABLE cluster_applications (
  org_id     uuid NOT NULL,
  cluster_id uuid NOT NULL,
  name       text COLLATE "C" NOT NULL,
  namespace  text COLLATE "C" NOT NULL,
  source     text NOT NULL,
  versions   text[] NOT NULL,
  workloads  bigint NOT NULL,
  failing    bigint NOT NULL,
  images     text[] NOT NULL,
  PRIMARY KEY (org_id, cluster_id, name, namespace),
  FOREIGN KEY (org_id, cluster_id) REFERENCES clusters (org_id, id)
);

-- Where each cluster's conversation with its agent is.
CREATE TABLE ingest_state (
  org_id     uuid NOT NULL,
  cluster_id uuid NOT NULL,
  epoch      bigint NOT NULL,
  seq        bigint NOT NULL,
  PRIMARY KEY (org_id, cluster_id),
  FOREIGN KEY (org_id, cluster_id) REFERENCES clusters (org_id, id)
);
-- What was answered, so that a batch that is sent again gets the same answer.
CREATE TABLE ingest_batches (
  org_id      uuid NOT NULL,
  cluster_id  uuid NOT NULL,
  epoch       bigint NOT NULL,
  seq         bigint NOT NULL,
  answer      jsonb NOT NULL,
  received_at timestamptz NOT NULL,
  PRIMARY KEY (org_id, cluster_id, epoch, seq),
  FOREIGN KEY (org_id, cluster_id) REFERENCES clusters (org_id, id)
);
CREATE INDEX ingest_batches_received ON ingest_batches (org_id, cluster_id, received_at);

-- A full synchronisation under way, seen by nobody until it is complete. Both tables are unlogged: after a crash of
-- PostgreSQL both are empty, the next batch finds no state to go on from, and the agent is told to begin again.
CREATE UNLOGGED TABLE ingest_staging_state (
  org_id     uuid NOT NULL,
  cluster_id uuid NOT NULL,
  epoch      bigint NOT NULL,
  seq        bigint NOT NULL,
  resources  bigint NOT NULL,
  PRIMARY KEY (org_id, cluster_id)
);
CREATE UNLOGGED TABLE ingest_staging (
  LIKE resources INCLUDING STORAGE,
  PRIMARY KEY (org_id, cluster_id, uid)
);
ALTER TABLE ingest_staging SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 20000);

DO $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['clusters', 'cluster_tokens', 'resources', 'cluster_kinds', 'cluster_namespaces',
                           'cluster_images', 'cluster_applications', 'ingest_state', 'ingest_batches',
                           'ingest_staging_state', 'ingest_staging'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (org_id = current_org()) WITH CHECK (org_id = current_org())', t);
    EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', t);
  END LOOP;
END
$$;

-- Pages read everything here but tokens' hashes and the conversation with the agent; they write names and tokens.
GRANT SELECT, INSERT ON clusters TO kubewise_web;
GRANT UPDATE (name, deleted_at) ON clusters TO kubewise_web;
GRANT SELECT (org_id, cluster_id, created_at, revoked_at), INSERT, UPDATE (revoked_at) ON cluster_tokens TO kubewise_web;
GRANT SELECT ON resources, cluster_kinds, cluster_namespaces, cluster_images, cluster_applications TO kubewise_web;

-- Ingest checks tokens and writes what agents send.
GRANT SELECT ON clusters TO kubewise_ingest;
GRANT UPDATE (agent_version, cluster_uid, kubernetes_version, last_heard_at, synced_at, unreadable, resources, workloads,
              pods, nodes, nodes_ready, namespaces, images, mutable_images, applications) ON clusters TO kubewise_ingest;
GRANT SELECT ON cluster_tokens TO kubewise_ingest;
GRANT SELECT, INSERT, UPDATE, DELETE ON resources, cluster_kinds, cluster_namespaces, cluster_images,
  cluster_applications, ingest_state, ingest_batches, ingest_staging_state, ingest_staging TO kubewise_ingest;

-- The worker removes what deleted clusters held; it need not read any of it.
GRANT SELECT (org_id, id, deleted_at), DELETE ON clusters TO kubewise_worker;
GRANT SELECT (org_id, cluster_id, uid), DELETE ON resources TO kubewise_worker;
GRANT SELECT (org_id, cluster_id), DELETE ON cluster_tokens, cluster_kinds, cluster_namespaces, cluster_images,
  cluster_applications, ingest_state, ingest_batches, ingest_staging_state, ingest_staging TO kubewise_worker;
