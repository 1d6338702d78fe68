/* What each type of option takes, and the nearest thing that it does not; and what depends on other options. */
#include <stdio.h>

#include "fixture.h"

#include "../test.h"

struct row {
    const char *line, *refused_with; /* NULL: it is taken */
};

static void assert_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_config_line(rows[i].line, rows[i].refused_with);
}

#define ASSERT_ROWS(rows) assert_rows(rows, sizeof(rows) / sizeof *(rows))

static void texts_and_paths(void **state)
{
    static const struct row rows[] = {
        {"user = 'a!~\\128'", NULL},
        {"user = ''", "user: expected a string without spaces"},
        {"user = 1", "user: expected a string without spaces"},
        {"user = 'a b'", "user: expected a string without spaces"},
        {"user = 'a\\127'", "user: expected a string without spaces"},
        {"user = 'a\\1'", "user: expected a string without spaces"},
        {"user = 'a\\0b'", "user: expected a string without spaces"},
        {"scan = { password = 'a b~' }", NULL},
        {"scan = { password = '' }", "expected a text, \"env:NAME\" or \"file:/path\""},
        {"scan = { password = 1 }", "expected a text"},
        {"scan = { password = 'a\\31' }", "expected a text"},
        {"scan = { password = 'a\\127' }", "expected a text"},
        {"scan = { password = 'a\\0' }", "expected a text"},
        {"spool = { postgres = 'host=a dbname=b~' }", NULL},
        {"spool = { postgres = '' }", "expected a connection to PostgreSQL"},
        {"spool = { postgres = 1 }", "expected a connection to PostgreSQL"},
        {"spool = { postgres = 'host=a\\31' }", "expected a connection to PostgreSQL"},
        {"spool = { postgres = 'host=a\\127' }", "expected a connection to PostgreSQL"},
        {"spool = { postgres = 'host=a\\0' }", "expected a connection to PostgreSQL"},
        {"deliver = { ca_file = 'a b' }", NULL},
        {"deliver = { ca_file = '' }", "expected a path"},
        {"deliver = { ca_file = 1 }", "expected a path"},
        {"deliver = { ca_file = 'a\\0' }", "expected a path"},
        {"confine = { read = {}, write = { '/a' } }", NULL},
        {"confine = { read = '/a' }",
         "expected a list of folders, such as { \"/srv/mail/lists\" }"},
        {"confine = { read = { '/a', '' } }", "expected a path"},
        {"rules = { reserved_headers = { 'X-!~*' } }", NULL},
        {"rules = { reserved_headers = { '' } }", "expected the name of a header"},
        {"rules = { reserved_headers = { 1 } }", "expected the name of a header"},
        {"rules = { reserved_headers = { 'X:' } }", "expected the name of a header"},
        {"rules = { reserved_headers = { 'X Y' } }", "expected the name of a header"},
        {"rules = { reserved_headers = { 'X[a' } }", "expected the name of a header"},
        {"rules = { reserved_headers = { 'X]a' } }", "expected the name of a header"},
        {"rules = { reserved_headers = { 'X\\\\' } }", "expected the name of a header"},
        {"rules = { reserved_headers = { 'X\\127' } }", "expected the name of a header"},
        {"rules = { reserved_headers = { 'X\\255' } }", "expected the name of a header"},
        {"rules = { reserved_headers = { 'X\\0' } }", "expected the name of a header"},
    };
    (void)state;
    ASSERT_ROWS(rows);
}

static void numbers_sizes_and_durations(void **state)
{
    static const struct row rows[] = {
        {"log_limit = '5'", "log_limit: expected a whole number"},
        {"log_limit = 0.5", "log_limit: expected a whole number"},
        {"log_limit = true", "log_limit: expected a whole number"},
        {"smtp = { max_size = '20000' }", "expected a number of bytes"},
        {"smtp = { max_size = 20000.5 }", "expected a number of bytes"},
        {"smtp = { max_size = true }", "expected a number of bytes"},
        {"smtp = { max_size = ' 20 kB ' }", NULL},
        {"smtp = { max_size = '1.0001 KiB' }", NULL},
        {"smtp = { max_size = '-20 kB' }", "expected a number of bytes"},
        {"smtp = { max_size = '1 KiB more' }", "expected a number of bytes"},
        {"shutdown_timeout = 5", "expected a duration such as"},
        {"shutdown_timeout = '5x'", "expected a duration such as"},
        {"deliver = { schedule = '1s' }",
         "expected a list of durations, such as { \"10s\", \"1m\" }"},
        {"deliver = { schedule = {} }", "expected a list of durations"},
        {"deliver = { schedule = { '1s', x = '1s' } }", "expected a list of durations"},
        {"deliver = { schedule = { x = '1s' } }", "expected a list of durations"},
        {"deliver = { schedule = { '1s', 2 } }", "expected a duration such as"},
        {"deliver = { schedule = { '1s' } }", NULL},
    };
    (void)state;
    ASSERT_ROWS(rows);
    struct config *c =
        config_loaded("domains = { 'a.example' } smtp = { max_size = '1.0999 KiB' }");
    assert_int_equal(c->smtp.max_size, 1126); /* whole bytes */
    config_unref(c);
}

static void urls_and_addresses(void **state)
{
    static const struct row rows[] = {
        {"scan = { rspamd = 'http://a' .. ('x'):rep(1992) }", NULL},
        {"scan = { rspamd = 'http://a' .. ('x'):rep(1993) }",
         "scan.rspamd: expected a URL such as"},
        {"scan = { rspamd = 'http://' }", "expected a URL such as"},
        {"scan = { rspamd = 'http://?a' }", "expected a URL such as"},
        {"scan = { rspamd = 'http://a?b' }", "expected a URL such as"},
        {"scan = { rspamd = 'http://a/b#c' }", "expected a URL such as"},
        {"scan = { rspamd = 'http://a/b c' }", "expected a URL such as"},
        {"scan = { rspamd = 7 }",
         "expected a URL such as \"http://127.0.0.1:11333\", or a list of them"},
        {"scan = { rspamd = { 7 } }", "got \"7\""},
        {"scan = { rspamd = { 'https://a', 'b' } }", "got \"b\""},
        {"scan = { virus_symbols = { 'A', '' } }", "expected a string without spaces"},
        {"dns = { resolvers = { '[::1]:0', '1.2.3.4:65535' } }", NULL},
        {"dns = { resolvers = { '1.2.3.4:65536' } }", "expected address:port"},
        {"dns = { resolvers = { '[::1]:65536' } }", "expected address:port"},
        {"dns = { resolvers = { '::1:25' } }", "expected address:port"},
        {"dns = { resolvers = { 25 } }", "got \"25\""},
        {"dns = { resolvers = {} }", "expected a list of addresses, such as"},
        {"access = { deny = {} }", NULL},
        {"access = { deny = { 7 } }", "got \"7\""},
        {"access = { deny = { '1.2.3.4', 'x' } }", "got \"x\""},
        {"tls = { certificates = { '/a' } }",
         "expected { certificate = \"FILE\", key = \"FILE\" }"},
        {"tls = { certificates = { { certificate = '/a' } } }", "expected { certificate = "},
        {"tls = { certificates = { { key = '/a' } } }", "expected { certificate = "},
        {"tls = { certificates = { { certificate = '/a', key = '' } } }",
         "expected { certificate = "},
        {"tls = { certificates = { { certificate = '/a', key = '/b', kye = '/c' } } }",
         "a certificate has no kye; did you mean key?"},
        {"tls = { certificates = {} }", "expected a list such as { { certificate"},
        {"tls = { min_version = '1.3' }", NULL},
        {"tls = { min_version = '1.1' }", "what is older belongs to a listener of its own"},
        {"tls = { min_version = '1.4' }", "tls.min_version: expected \"1.2\" or \"1.3\""},
        {"tls = { min_version = 1.2 }", "tls.min_version: expected \"1.2\" or \"1.3\""},
    };
    (void)state;
    ASSERT_ROWS(rows);
}

static void domains_zones_and_literals(void **state)
{
    static const struct row rows[] = {
        {"smtp = { append_domain = 'a-b_c.example' }", NULL},
        {"smtp = { append_domain = '*.example' }", "expected a domain such as \"example.com\""},
        {"smtp = { append_domain = '' }", "expected a domain"},
        {"smtp = { append_domain = 1 }", "got \"1\""},
        {"smtp = { append_domain = '.a' }", "expected a domain"},
        {"smtp = { append_domain = '-a' }", "expected a domain"},
        {"smtp = { append_domain = 'a.' }", "expected a domain"},
        {"smtp = { append_domain = 'a-' }", "expected a domain"},
        {"smtp = { append_domain = 'a..b' }", "expected a domain"},
        {"smtp = { append_domain = 'a b' }", "expected a domain"},
        {"domains = { '[192.0.2.1]', '[IPv6:2001:db8::1]', '[ipv6:::1]' }", NULL},
        {"domains = { '[192.0.2.0/24]' }", "expected an address literal"},
        {"domains = { '[IPv6:192.0.2.1]' }", "expected an address literal"},
        {"domains = { '[2001:db8::1]' }", "expected an address literal"},
        {"domains = { '[x]' }", "expected an address literal"},
        {"domains = { '*.*.example' }", "expected a domain"},
        {"domains = {}", "expected a list of domains"},
        {"admin = { hosts = { 'mx.example' } }", NULL},
        {"admin = { hosts = {} }", "expected a list of names"},
        {"auth = { dnsbl = {} }", NULL},
        {"auth = { dnsbl = { { zone = 'a.', refuse = false } } }", NULL},
        {"auth = { dnsbl = { ('a'):rep(63) .. '.b' } }", NULL},
        {"auth = { dnsbl = { ('a'):rep(64) .. '.b' } }", "expected the name of a DNS zone"},
        {"auth = { dnsbl = { ('a.'):rep(94) .. 'b' } }", NULL},
        {"auth = { dnsbl = { ('a.'):rep(94) .. 'bc' } }", "expected the name of a DNS zone"},
        {"auth = { dnsbl = { '.a' } }", "expected the name of a DNS zone"},
        {"auth = { dnsbl = { 'a..' } }", "expected the name of a DNS zone"},
        {"auth = { dnsbl = { 'a b' } }", "expected the name of a DNS zone"},
        {"auth = { dnsbl = { 7 } }", "expected the name of a DNS zone"},
        {"auth = { dnsbl = { { zone = 'a', refuse = 'yes' } } }",
         "expected the name of a DNS zone"},
        {"auth = { dnsbl = (function() local l = {} for i = 1, 16 do l[i] = 'n' .. i end return l "
         "end)() }",
         NULL},
    };
    (void)state;
    ASSERT_ROWS(rows);
    struct config *c = config_loaded(
        "domains = { 'A.Example', '*.B.example', '[192.0.2.1]', 'M\\195\\188nchen.example' }");
    static const char *const expected[] = {"a.example", "*.b.example", "[192.0.2.1]",
                                           "xn--mnchen-3ya.example"};
    assert_int_equal(c->smtp.domain_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(c->smtp.domains[i], expected[i]);
    config_unref(c);
}

/* ---- Listeners and logins ---- */

#define CERTIFICATES "tls = { certificates = { { certificate = 'c', key = '/k' } } }\n"

static void what_a_listener_needs(void **state)
{
    static const struct row rows[] = {
        {"listen = { { address = 'unix:/a', proxy = true } }", NULL},
        {"listen = { { address = '127.0.0.1:0', proxy = true } }\naccess = { proxies = { "
         "'192.0.2.1' } }",
         NULL},
        {"listen = { { address = '127.0.0.1:0', auth_without_tls = true } }",
         "auth_without_tls = true needs auth = \"offered\" or \"required\" on the same listener"},
        {"listen = { { address = '127.0.0.1:0', auth = 'offered', auth_without_tls = true } }\n"
         "smtp = { users = { a = '$6$a' } }",
         NULL},
        {"listen = { { address = '127.0.0.1:0', auth = 'offered' } }\n"
         "smtp = { users = { a = '$6$a' } }",
         "auth = \"offered\" needs TLS on the same listener, or auth_without_tls = true"},
        {"listen = { { address = '127.0.0.1:0', tls = 'starttls' } }",
         "tls = \"starttls\" needs tls.certificates"},
        {"listen = { { address = '127.0.0.1:0', tls = 'starttls', min_version = '1.0' } "
         "}\n" CERTIFICATES,
         NULL},
        {"listen = { { address = '127.0.0.1:0', tls = 'off', min_version = '1.3' } "
         "}\n" CERTIFICATES,
         "min_version = \"1.3\" needs TLS on the same listener"},
        {"listen = { { address = 'unix:/a', auth = 'offered' } }\n" CERTIFICATES
         "smtp = { users = { a = '$6$a' } }",
         "auth = \"offered\" needs TLS"},
        {"listen = { { address = '127.0.0.1:0', auth = 'offered' } }\n" CERTIFICATES,
         "auth = \"offered\" needs smtp.users"},
        {"smtp = { users = { ['a b'] = '$6$a' } }",
         "expected a table of names and password hashes"},
        {"smtp = { users = { '$6$a' } }", "expected a table of names and password hashes"},
        {"smtp = { users = 'a' }", "expected a table of names and password hashes"},
        {"smtp = { users = { a = '$y-1$a' } }", NULL},
        {"smtp = { users = { a = '$$a' } }", "the password of a is not a hash"},
        {"smtp = { users = { a = '$6$a b' } }", "the password of a is not a hash"},
    };
    (void)state;
    ASSERT_ROWS(rows);
}

static void listeners_as_they_are_read(void **state)
{
    (void)state;
    struct config *c = config_loaded(
        "domains = { 'a.example' } smtp = { users = { b = '$6$b', a = '$6$a' } }\n" CERTIFICATES
        "listen = { '127.0.0.1:1', { address = 'unix:/u' },\n"
        " { address = '127.0.0.1:2', tls = 'required', auth = 'offered', min_version = '1.0' },\n"
        " { address = '127.0.0.1:3', tls = 'implicit', auth = 'required', min_version = '1.1' },\n"
        " { address = '[::1]:4', tls = 'off', auth = 'offered', auth_without_tls = true },\n"
        " { address = '127.0.0.1:5', min_version = '1.3' }, { address = '127.0.0.1:6', min_version "
        "= '1.2' } }");
    static const struct listen_address expected[] = {
        {"127.0.0.1", 1, LISTEN_TLS_STARTTLS, LISTEN_AUTH_OFF, 0x303, false, false, false, false},
        {"/u", 0, LISTEN_TLS_OFF, LISTEN_AUTH_OFF, 0x303, false, false, false, false},
        {"127.0.0.1", 2, LISTEN_TLS_REQUIRED, LISTEN_AUTH_OFFERED, 0x301, false, false, false,
         false},
        {"127.0.0.1", 3, LISTEN_TLS_IMPLICIT, LISTEN_AUTH_REQUIRED, 0x302, false, false, false,
         false},
        {"::1", 4, LISTEN_TLS_OFF, LISTEN_AUTH_OFFERED, 0x303, true, false, false, false},
        {"127.0.0.1", 5, LISTEN_TLS_STARTTLS, LISTEN_AUTH_OFF, 0x304, false, false, false, false},
        {"127.0.0.1", 6, LISTEN_TLS_STARTTLS, LISTEN_AUTH_OFF, 0x303, false, false, false, false},
    };
    assert_int_equal(c->smtp.listen_count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < c->smtp.listen_count; i++) {
        const struct listen_address *l = &c->smtp.listen[i], *e = &expected[i];
        assert_string_equal(l->host, e->host);
        if (l->port != e->port || l->tls != e->tls || l->auth != e->auth ||
            l->min_version != e->min_version || l->auth_without_tls != e->auth_without_tls)
            fail_msg("listener %zu: port %d, tls %d, auth %d, version %#x, auth_without_tls %d", i,
                     l->port, (int)l->tls, (int)l->auth, (unsigned)l->min_version,
                     l->auth_without_tls);
    }
    assert_int_equal(c->tls.certificate_count, 1);
    assert_string_equal(c->tls.certificates[0].certificate, "/tmp/c");
    assert_string_equal(c->tls.certificates[0].key, "/k");
    assert_int_equal(c->smtp.user_count, 2);
    assert_string_equal(c->smtp.users[0].name, "a");
    assert_string_equal(c->smtp.users[1].hash, "$6$b");
    config_unref(c);
}

#define ADMIN_LISTEN(n)                                                                            \
    "admin = { listen = (function() local l = {} for i = 1, " n                                    \
    " do l[i] = '127.0.0.1:' .. i end return l end)() }"

static void who_may_see_the_admin_room(void **state)
{
    static const struct row rows[] = {
        {ADMIN_LISTEN("8"), NULL},
        {ADMIN_LISTEN("9"), "admin.listen: 8 addresses at most"},
        {"admin = { listen = { 'unix:/a', '[::1]:1', '127.9.9.9:1' } }", NULL},
        {"admin = { listen = {} }", "expected a list of addresses, such as { \"unix:"},
        {"admin = { listen = { '127.0.0.1:1', '192.0.2.1:1' } }",
         "admin.listen: others can reach 192.0.2.1: it needs admin.users or admin.tokens"},
        {"admin = { listen = { '[::]:1' } }", "others can reach ::"},
        {"admin = { listen = { '1.127.0.0:1' } }", "others can reach 1.127.0.0"},
        {"admin = { listen = { '192.0.2.1:1' }, users = { a = { role = 'view', password = '$6$a' } "
         "} }",
         NULL},
        {"admin = { listen = { '192.0.2.1:1' }, tokens = { a = { role = 'read', token = 'env:A' } "
         "} }",
         NULL},
        {"admin = { users = { a = 'b' } }", "expected a table such as { alice = "},
        {"admin = { users = {} }", "expected a table such as { alice = "},
        {"admin = { users = { a = { role = 'view', passwrd = '$6$a' } } }",
         "a has no passwrd; did you mean password?"},
        {"admin = { users = { a = { role = 'root', password = '$6$a' } } }",
         "the role of a is \"view\", \"read\" or \"operate\""},
        {"admin = { users = { a = { role = 'view', password = 'x' } } }",
         "a: the password is not a hash"},
        {"admin = { users = { a = { role = 'view', password = '$6$ a' } } }",
         "a: the password is not a hash"},
        {"admin = { tokens = { a = { role = 'view', token = ('x'):rep(16) } } }", NULL},
        {"admin = { tokens = { a = { role = 'view', token = ('x'):rep(15) } } }",
         "a: the token has fewer than 16 characters, or spaces"},
        {"admin = { tokens = { a = { role = 'view', token = ('x'):rep(15) .. ' y' } } }",
         "a: the token has fewer than 16 characters, or spaces"},
        {"admin = { tokens = { a = { role = 'view', token = 'file:/a b' } } }", NULL},
        {"admin = { tokens = { a = { role = 'view' } } }", "a: the token is a text"},
    };
    (void)state;
    ASSERT_ROWS(rows);
    struct config *c = config_loaded(
        "domains = { 'a.example' }\nadmin = { users = { b = { role = 'read', password = '$6$b' },\n"
        " a = { role = 'view', password = '$6$a' } }, tokens = { t = { role = 'operate', token = "
        "'env:T' } } }");
    static const struct {
        const char *name, *secret;
        enum admin_role role;
        bool token;
    } logins[] = {{"a", "$6$a", ADMIN_VIEW, false},
                  {"b", "$6$b", ADMIN_READ, false},
                  {"t", "env:T", ADMIN_OPERATE, true}};
    assert_int_equal(c->admin.login_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(c->admin.logins[i].name, logins[i].name);
        assert_string_equal(c->admin.logins[i].secret, logins[i].secret);
        assert_int_equal(c->admin.logins[i].role, logins[i].role);
        assert_int_equal(c->admin.logins[i].token, logins[i].token);
    }
    config_unref(c);
}

/* ---- Forwarding ---- */

static void what_is_needed_to_forward(void **state)
{
#define EXPECTED_DKIM  "expected { domain = \"example.com\", selector = \"mx1\", key = "
#define DKIM(s, k)     "forward = { dkim = { domain = 'a.example', selector = " s ", key = " k " } }"
#define RELAY(h, more) "forward = { smarthost = '" h "', user = 'u', password = 'p'" more " }"
    static const struct row rows[] = {
        {"forward = { smarthost = 'smtp://[::1]' }", NULL},
        {"forward = { smarthost = 'SMTPS://A-b_c.example:465' }", NULL},
        {"forward = { smarthost = 'smtp://' }", "expected smtp:// or smtps://"},
        {"forward = { smarthost = 'smtp://a:' }", "expected smtp:// or smtps://"},
        {"forward = { smarthost = 'smtp://a/b' }", "expected smtp:// or smtps://"},
        {"forward = { smarthost = 'smtp://a:1x' }", "expected smtp:// or smtps://"},
        {"forward = { smarthost = 7 }", "expected smtp:// or smtps://"},
        {"forward = { smarthost = 'smtp://@' }", "expected smtp:// or smtps://"},
        {DKIM("'mx1.a-b_c'", "'/k'"), NULL},
        {DKIM("('s'):rep(63)", "'env:K'"), NULL},
        {DKIM("('s'):rep(64)", "'/k'"), "selector: expected a name such as \"mx1\""},
        {DKIM("'-a'", "'/k'"), "selector: expected a name"},
        {DKIM("'a b'", "'/k'"), "selector: expected a name"},
        {DKIM("1", "'/k'"), "selector: expected a name"},
        {DKIM("'s'", "'file:/k'"), NULL},
        {DKIM("'s'", "'k'"), "key: expected a file with its whole path"},
        {DKIM("'s'", "nil"), "key: expected a file, \"file:/path\" or \"env:NAME\""},
        {DKIM("'s'", "'/k', more = 1"), "there is no field 'more'; " EXPECTED_DKIM},
        {"forward = { dkim = 's' }", EXPECTED_DKIM},
        {"forward = { dkim = { domain = '*.a', selector = 's', key = '/k' } }",
         "domain: expected a domain"},
        {"forward = { tls = 'on' }", "expected \"opportunistic\", \"verified\" or \"off\""},
        {"forward = { user = 'u' }", "forward.user: needs forward.password"},
        {"forward = { password = 'p' }", "forward.password: needs forward.user"},
        {"forward = { user = 'u', password = 'p' }", "forward.user: needs forward.smarthost"},
        {RELAY("smtp://a", ", tls = 'opportunistic'"),
         "forward.tls: a password needs \"verified\""},
        {RELAY("smtps://a", ", tls = 'opportunistic'"), NULL},
        {RELAY("smtp://a", ", tls = 'off'"), NULL},
    };
    (void)state;
    ASSERT_ROWS(rows);
    static const struct {
        const char *line, *smarthost;
        enum forward_tls tls;
    } read[] = {
        {"", NULL, FORWARD_TLS_OPPORTUNISTIC},
        {"forward = { tls = 'verified' }", NULL, FORWARD_TLS_VERIFIED},
        {"forward = { tls = 'off' }", NULL, FORWARD_TLS_OFF},
        {"forward = { tls = 'opportunistic' }", NULL, FORWARD_TLS_OPPORTUNISTIC},
        {RELAY("SMTP://Relay.Example", ""), "smtp://relay.example:25", FORWARD_TLS_VERIFIED},
        {RELAY("smtps://[::1]", ""), "smtps://[::1]:465", FORWARD_TLS_VERIFIED},
        {RELAY("smtps://a:587", ", tls = 'opportunistic'"), "smtps://a:587",
         FORWARD_TLS_OPPORTUNISTIC},
    };
    for (size_t i = 0; i < sizeof read / sizeof *read; i++) {
        char text[300];
        snprintf(text, sizeof text, "domains = { 'a.example' }\n%s", read[i].line);
        struct config *c = config_loaded(text);
        assert_int_equal(c->forward.tls, read[i].tls);
        if (read[i].smarthost)
            assert_string_equal(c->forward.smarthost, read[i].smarthost);
        else
            assert_null(c->forward.smarthost);
        config_unref(c);
    }
    struct config *c = config_loaded("domains = { 'a.example' }\n" DKIM("'s'", "'/k'"));
    assert_string_equal(c->forward.dkim_domain, "a.example");
    assert_string_equal(c->forward.dkim_selector, "s");
    assert_string_equal(c->forward.dkim_key, "file:/k");
    config_unref(c);
}

/* ---- What rules name ---- */

#define LOOKUP(more)   "lookups = { crm = { url = 'https://a/{address}'" more " } }"
#define LOOKUP_URL(u)  "lookups = { crm = { url = " u " } }"
#define DATABASE(more) "databases = { shop = { conninfo = 'host=a', query = 'SELECT 1'" more " } }"
#define QUERY(q)       "databases = { shop = { conninfo = 'host=a', query = " q " } }"

static void lookups_databases_and_profiles(void **state)
{
    static const struct row rows[] = {
        {LOOKUP_URL("'https://a/' .. ('x'):rep(4086)"), NULL},
        {LOOKUP_URL("'https://a/' .. ('x'):rep(4087)"), "crm: url: expected a URL such as"},
        {LOOKUP_URL("7"), "crm: url: expected a URL such as"},
        {LOOKUP_URL("'ftp://a'"), "crm: url: expected a URL such as"},
        {LOOKUP_URL("'HTTP://A'"), NULL},
        {LOOKUP_URL("'https://a/{x}'"), "expected a URL whose only {...} is {address}"},
        {LOOKUP_URL("'https://a/#b'"), "expected a URL whose only {...} is {address}"},
        {LOOKUP_URL("'https://a/b c'"), "expected a URL whose only {...} is {address}"},
        {LOOKUP_URL("'https://a/!~'"), NULL},
        {LOOKUP_URL("'https://a/\\127'"), "expected a URL whose only {...} is {address}"},
        {LOOKUP_URL("'https://a/{address}/{address}'"),
         "expected a URL with {address} at most once"},
        {"lookups = {\n crm = 7 }", ":3: lookups: crm: expected a table"},
        {"lookups = {\n crm = { url = 'x' } }", ":3: lookups: crm: url: "},
        {"lookups = {\n\n ['c-1'] = { url = 'x' } }", ":4: lookups: c-1: url: "},
        {"lookups = 7", "expected a table such as { crm = "},
        {"databases = 7", "expected a table such as { shop = "},
        {"profiles = 7", "expected a table such as { crm = "},
        {"lookups = { ['a b'] = {} }", "expected names of letters, digits, '_' and '-', got 'a b'"},
        {"lookups = { ['-a'] = {} }", "expected names of letters"},
        {"profiles = { [('p'):rep(60)] = {} }", NULL},
        {"profiles = { [('p'):rep(61)] = {} }", "expected names of letters"},
        {LOOKUP(", scret = 'a'"), "crm has no scret; did you mean secret?"},
        {LOOKUP(", secret = ''"), "crm: secret: expected a text"},
        {LOOKUP(", wait = '1ms'"), NULL},
        {LOOKUP(", wait = '0s'"), "crm: wait: expected 1 to 10000 ms"},
        {LOOKUP(", wait = '10s'"), NULL},
        {LOOKUP(", wait = '10001ms'"), "crm: wait: expected"},
        {LOOKUP(", timeout = '60s'"), NULL},
        {LOOKUP(", timeout = '60001ms'"), "crm: timeout: expected 1 to 60000 ms"},
        {LOOKUP(", ttl = '1d', negative_ttl = '1d'"), NULL},
        {LOOKUP(", ttl = '86400001ms'"), "crm: ttl: expected"},
        {LOOKUP(", negative_ttl = '86400001ms'"), "crm: negative_ttl: expected"},
        {LOOKUP(", stale = '0s'"), NULL},
        {LOOKUP(", stale = '30d'"), NULL},
        {LOOKUP(", stale = '2592000001ms'"), "crm: stale: expected"},
        {LOOKUP(", max_entries = 1"), NULL},
        {LOOKUP(", max_entries = 0"), "crm: max_entries: expected 1 to 10000000"},
        {LOOKUP(", max_entries = 10000000"), NULL},
        {LOOKUP(", max_entries = 10000001"), "crm: max_entries: expected"},
        {QUERY("' select\\n1'"), NULL},
        {QUERY("'SELECTED'"), "shop: query: expected a query such as"},
        {QUERY("'DELETE FROM a'"), "shop: query: expected a query such as"},
        {QUERY("7"), "shop: query: expected a query such as"},
        {QUERY("'SELECT \\0'"), "shop: query: expected a query without NUL"},
        {"databases = { shop = { query = 'SELECT 1' } }", "shop: conninfo: expected a connection"},
        {DATABASE(", url = 'x'"), "shop has no url"},
        {"profiles = { HTTPS = {} }", "HTTPS: it cannot be the name of a profile"},
        {"profiles = { null = {} }", "null: it cannot be the name of a profile"},
        {"profiles = { mailto = {} }", "mailto: it cannot be the name of a profile"},
        {"profiles = { http = {} }", "http: it cannot be the name of a profile"},
        {"profiles = { a = 7 }", "a: expected a table"},
        {"profiles = { a = { url = 'https://a' } }", "a: a profile has no url"},
        {"profiles = { a = { timeout = true } }", "a: timeout: expected"},
    };
    (void)state;
    ASSERT_ROWS(rows);
}

static void assert_lookup(const struct lookup_config *l, const struct lookup_config *e)
{
    assert_int_equal(l->kind, e->kind);
    assert_string_equal(l->name, e->name);
    assert_int_equal(l->wait_ms, e->wait_ms);
    assert_int_equal(l->timeout_ms, e->timeout_ms);
    assert_int_equal(l->ttl_ms, e->ttl_ms);
    assert_int_equal(l->negative_ttl_ms, e->negative_ttl_ms);
    assert_int_equal(l->stale_ms, e->stale_ms);
    assert_int_equal(l->max_entries, e->max_entries);
}

static void lookups_as_they_are_read(void **state)
{
    static const struct lookup_config usual = {.kind = LOOKUP_HTTP,
                                               .name = "a",
                                               .wait_ms = 50,
                                               .timeout_ms = 5000,
                                               .ttl_ms = 60000,
                                               .negative_ttl_ms = 10000,
                                               .stale_ms = 3600000,
                                               .max_entries = 100000},
                                      told = {.kind = LOOKUP_HTTP,
                                              .name = "b",
                                              .wait_ms = 1,
                                              .timeout_ms = 2,
                                              .ttl_ms = 3,
                                              .negative_ttl_ms = 4,
                                              .stale_ms = 5,
                                              .max_entries = 6},
                                      database = {.kind = LOOKUP_POSTGRES,
                                                  .name = "d",
                                                  .wait_ms = 50,
                                                  .timeout_ms = 5000,
                                                  .ttl_ms = 2000,
                                                  .negative_ttl_ms = 2000,
                                                  .stale_ms = 3600000,
                                                  .max_entries = 100000};
    (void)state;
    struct config *c =
        config_loaded("domains = { 'a.example' } lookups = { b = { url = 'https://b', secret = "
                      "'env:B', wait = '1ms', timeout = '2ms',\n"
                      " ttl = '3ms', negative_ttl = '4ms', stale = '5ms', max_entries = 6 }, a = { "
                      "url = 'https://a' } }\n"
                      "databases = { d = { conninfo = 'host=d', query = 'SELECT 1; ' } }\n");
    assert_int_equal(c->lookup_count, 3);
    assert_lookup(&c->lookups[0], &usual);
    assert_lookup(&c->lookups[1], &told);
    assert_lookup(&c->lookups[2], &database);
    assert_string_equal(c->lookups[0].url, "https://a");
    assert_null(c->lookups[0].secret);
    assert_string_equal(c->lookups[1].secret, "env:B");
    assert_string_equal(c->lookups[2].conninfo, "host=d");
    assert_string_equal(c->lookups[2].query, "SELECT 1");
    assert_int_equal(c->rules.source_count, 3);
    assert_string_equal(c->rules.sources[0], "http:a");
    assert_string_equal(c->rules.sources[2], "postgres:d");
    config_unref(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_and_paths),
        cmocka_unit_test(numbers_sizes_and_durations),
        cmocka_unit_test(urls_and_addresses),
        cmocka_unit_test(domains_zones_and_literals),
        cmocka_unit_test(what_a_listener_needs),
        cmocka_unit_test(listeners_as_they_are_read),
        cmocka_unit_test(who_may_see_the_admin_room),
        cmocka_unit_test(what_is_needed_to_forward),
        cmocka_unit_test(lookups_databases_and_profiles),
        cmocka_unit_test(lookups_as_they_are_read),
    };
    return cmocka_run_group_tests(tests, make_config, remove_config);
}
