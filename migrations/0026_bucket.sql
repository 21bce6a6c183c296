-- What the bucket is known by, and when it was last looked through for objects that nothing names. One row.
CREATE TABLE bucket (
  only_one          boolean PRIMARY KEY DEFAULT true CHECK (only_one),
  -- Stands in the bucket, too: nothing is looked for in that of another installation.
  id                uuid NOT NULL DEFAULT gen_random_uuid(),
  looked_through_at timestamptz
);
INSERT INTO bucket DEFAULT VALUES;

REVOKE ALL ON bucket FROM PUBLIC;
GRANT SELECT, UPDATE (looked_through_at) ON bucket TO kubewise_worker;
