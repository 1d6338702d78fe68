-- Least rights for mxhook's nodes on a spool in PostgreSQL. Run it as the owner of the tables, after each `mxhook store migrate`,
-- in the database and with the search_path of the spool:
--
--   CREATE ROLE mxhook LOGIN;               -- once; its password in each node's passfile
--   psql -d mxhook -f postgres-roles.sql
--
-- A role that only looks (mxhook queue list, show, origins; mxhook nodes) needs SELECT alone.
GRANT SELECT ON meta TO mxhook;
GRANT SELECT, INSERT, UPDATE, DELETE ON node, mark, payload, tail, chunk, staged, delivery, attempt, held, paused TO mxhook;
GRANT SELECT, INSERT ON secret TO mxhook;
-- So that nodes see, and warn of, others' transactions that have been open for long, as a superuser besides:
--   GRANT pg_read_all_stats TO mxhook;
GRANT USAGE ON SEQUENCE node_id, row_block TO mxhook;

-- The history, in a schema of its own: the nodes make and drop a day's tables themselves.
CREATE SCHEMA IF NOT EXISTS mxhook_history;
ALTER SCHEMA mxhook_history OWNER TO mxhook;
DO $$
DECLARE
  name text;
BEGIN
  FOR name IN SELECT c.oid::regclass FROM pg_class c
    WHERE c.relnamespace = 'mxhook_history'::regnamespace AND c.relkind IN ('r', 'p', 'S') LOOP
    EXECUTE 'ALTER TABLE ' || name || ' OWNER TO mxhook';
  END LOOP;
  FOR name IN SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'mxhook_history'::regnamespace LOOP
    EXECUTE 'ALTER FUNCTION ' || name || ' OWNER TO mxhook';
  END LOOP;
END $$;
