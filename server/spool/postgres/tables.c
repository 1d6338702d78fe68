#include "tables.h"

#include <errno.h>
#include <stdio.h>

/* Columns that a newer schema has besides are no matter. */
#define COLUMNS                                                                                    \
    "(VALUES ('meta', 'version int4, oldest int4'), "                                              \
    "('node', 'id int4, name text, program int4, version text, beat int8'), "                      \
    "('mark', 'node int4, n int8'), "                                                              \
    "('payload', 'row int8, last int8, tail int8, size int8, bytes bytea'), "                      \
    "('tail', 'row int8, last int8, size int8, bytes bytea'), "                                    \
    "('chunk', 'blob int8, n int4, bytes bytea'), ('staged', 'blob int8, owner int4'), "           \
    "('delivery', 'row int8, payload int8, origin int8, lane int8, due int8, created int8, "       \
    "owner int4, attempts int4, timeout_ms int8, attempts_max int4, last_status int4, id text, "   \
    "url text, secret text, headers text, sender text, recipient text, last_error text, "          \
    "schedule text, ca_file text, client_cert text, client_key text, mail_from text, via text, "   \
    "about text, rate float8, max_in_flight int8, max_body int8'), "                               \
    "('attempt', 'delivery int8, at int8, ms int8, status int4, error text, reply bytea'), "       \
    "('held', 'origin int8, lane int8, name text, until int8, most int4, failures int4, "          \
    "node int4, prober int4, pause int8'), ('secret', 'name text, value text'), "                  \
    "('paused', 'origin int8, lane int8, name text, reason text, since int8')) t(name, columns)"

#define SHAPE                                                                                      \
    "SELECT CASE WHEN to_regclass(w.tab) IS NULL THEN format('there is no table %s', w.tab) "      \
    "WHEN a.attname IS NULL THEN format('table %s has no column %s', w.tab, w.col) "               \
    "ELSE format('column %s of table %s is %s, not %s', w.col, w.tab, "                            \
    "format_type(a.atttypid, a.atttypmod), w.type) END "                                           \
    "FROM (SELECT t.name AS tab, split_part(trim(c), ' ', 1) AS col, "                             \
    "split_part(trim(c), ' ', 2)::regtype AS type "                                                \
    "FROM " COLUMNS ", unnest(string_to_array(t.columns, ',')) c) w "                              \
    "LEFT JOIN pg_attribute a ON a.attrelid = to_regclass(w.tab) AND a.attname = w.col "           \
    "AND NOT a.attisdropped WHERE a.atttypid IS DISTINCT FROM w.type::oid LIMIT 1"

/* Without one ON CONFLICT is an error. */
#define KEYS                                                                                       \
    "SELECT format('table %s has no primary key', t) FROM unnest(ARRAY['node', 'mark', "           \
    "'payload', 'tail', 'chunk', 'staged', 'delivery', 'attempt', 'held', 'secret', 'paused']) t " \
    "WHERE NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = to_regclass(t) "                \
    "AND i.indisprimary AND i.indisvalid) LIMIT 1"

/* As postgres-roles.sql grants them. */
#define RIGHTS                                                                                     \
    "SELECT format('the role %s may not %s %s: run postgres-roles.sql', current_user, "            \
    "r.right, r.name) FROM (SELECT p AS right, t AS name, has_table_privilege(to_regclass(t), p) " \
    "AS has FROM unnest(ARRAY['node', 'mark', 'payload', 'tail', 'chunk', 'staged', 'delivery', "  \
    "'attempt', 'held', 'paused']) t, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p "    \
    "UNION ALL SELECT p, 'secret', has_table_privilege(to_regclass('secret'), p) "                 \
    "FROM unnest(ARRAY['SELECT', 'INSERT']) p "                                                    \
    "UNION ALL SELECT 'USAGE', s, has_sequence_privilege(to_regclass(s), 'USAGE') "                \
    "FROM unnest(ARRAY['node_id', 'row_block']) s) r WHERE r.has IS NOT TRUE LIMIT 1"

/* Policies hide rows, and nothing says so. */
#define POLICIES                                                                                   \
    "SELECT format('table %s has row-level security, which holds for the role %s', c.relname, "    \
    "current_user) FROM pg_class c JOIN unnest(ARRAY['meta', 'node', 'mark', 'payload', 'tail', "  \
    "'chunk', 'staged', 'delivery', 'attempt', 'held', 'secret', 'paused']) t "                    \
    "ON c.oid = to_regclass(t) WHERE row_security_active(c.oid) LIMIT 1"

static void read_fault(void *context, int number, PGresult *result)
{
    char *fault = context;
    (void)number;
    if (PQntuples(result) == 1 && !*fault)
        snprintf(fault, 256, "%s", PQgetvalue(result, 0, 0));
}

int tables_check(struct pg *pg, struct error *err)
{
    char fault[256] = "";
    pg_begin(pg);
    pg_add(pg, SHAPE, 0, NULL, NULL, NULL, false);
    pg_add(pg, KEYS, 0, NULL, NULL, NULL, false);
    pg_add(pg, RIGHTS, 0, NULL, NULL, NULL, false);
    pg_add(pg, POLICIES, 0, NULL, NULL, NULL, false);
    int code = pg_end(pg, PG_ANSWER_MS, read_fault, fault);
    if (code != 0)
        return error_set(err, code, "spool.postgres: %s", pg->error);
    return *fault ? error_set(err, -EINVAL, "spool.postgres: %s", fault) : 0;
}
