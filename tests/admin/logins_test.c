/* Who may do what in the admin room: by socket, token, cookie and password, with a clock of the test's and no server. */
#include <crypt.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/request.h"
#include "base/log.h"

#include "../captured_log.h"
#include "../test.h"

#define MINUTE_MS  60000
#define SESSION_MS (12 * 3600 * 1000ll)

/* ---- What the library and the body would say ---- */

static int64_t now;
static const char *authorization, *cookie, *user, *password;

int64_t __wrap_clock_monotonic_ms(void);
const char *__wrap_MHD_lookup_connection_value(struct MHD_Connection *connection,
                                               enum MHD_ValueKind kind, const char *name);
struct lua_State *__wrap_request_body(struct request *request);

int64_t __wrap_clock_monotonic_ms(void)
{
    return now;
}

const char *__wrap_MHD_lookup_connection_value(struct MHD_Connection *connection,
                                               enum MHD_ValueKind kind, const char *name)
{
    (void)connection;
    if (kind == MHD_HEADER_KIND && strcmp(name, "Authorization") == 0)
        return authorization;
    return kind == MHD_COOKIE_KIND && strcmp(name, "mxhook") == 0 ? cookie : NULL;
}

struct lua_State *__wrap_request_body(struct request *request)
{
    lua_State *L = luaL_newstate();
    (void)request;
    lua_newtable(L);
    lua_pushstring(L, user);
    lua_setfield(L, -2, "user");
    lua_pushstring(L, password);
    lua_setfield(L, -2, "password");
    return L;
}

/* ---- A room ---- */

static char hash[CRYPT_OUTPUT_SIZE];
static struct admin_login logins[] = {{"ann", hash, ADMIN_OPERATE, false},
                                      {"bob", hash, ADMIN_VIEW, false},
                                      {"probe", "tok-en", ADMIN_READ, true},
                                      {"other", "env:MXHOOK_TEST_TOKEN", ADMIN_VIEW, true},
                                      {"gone", "env:MXHOOK_TEST_NONE", ADMIN_OPERATE, true}};
static struct config config;
static struct admin admin;
static struct peer peer;
static struct route route;
static char key[64];

static int set_up(void **state)
{
    (void)state;
    now = 1000000;
    config =
        (struct config){.spool.directory = "/tmp",
                        .admin = {.logins = logins, .login_count = sizeof logins / sizeof *logins}};
    peer = (struct peer){.address = "192.0.2.1"};
    route = (struct route){.role = ADMIN_VIEW};
    authorization = cookie = user = password = NULL;
    admin.sessions = sessions_new();
    return admin.sessions ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    sessions_free(admin.sessions);
    sessions_free(NULL);
    return 0;
}

/* What a handler or login_check() answers, "STATUS BODY"; "" where it may go on; *key: the cookie that it sets. */
static const char *ask(bool (*check)(struct request *), void (*handle)(struct request *),
                       enum admin_role *role)
{
    static char text[1000];
    struct request request = {
        .admin = &admin, .config = &config, .peer = &peer, .route = &route, .response.status = 200};
    *text = 0;
    if (check && check(&request))
        assert_null(request.response.bytes);
    if (handle)
        handle(&request);
    response_json_end(&request);
    if (request.response.bytes)
        snprintf(text, sizeof text, "%d %.*s", request.response.status,
                 (int)spill_size(request.response.bytes), spill_memory(request.response.bytes));
    snprintf(key, sizeof key, "%.*s", (int)strcspn(request.response.cookie, ";"),
             request.response.cookie);
    if (*request.response.cookie && key[7])
        assert_string_equal(request.response.cookie + strlen(key),
                            "; Path=/; HttpOnly; SameSite=Strict");
    if (role)
        *role = request.role;
    response_release(&request.response);
    return text;
}

static enum admin_role role_now(void)
{
    enum admin_role role;
    ask(login_check, NULL, &role);
    return role;
}

static const char *log_in(const char *name, const char *secret)
{
    user = name;
    password = secret;
    return ask(NULL, login_post, NULL);
}

#define WHO(name, role) "200 {\"name\":" name ",\"role\":" role ",\"login\":true}"
#define NOBODY          "401 {\"error\":\"who are you?\"}"
#define WRONG           "401 {\"error\":\"wrong name or password\"}"
#define WAIT            "429 {\"error\":\"too many wrong passwords: wait a minute\"}"

/* ---- Tests ---- */

static void by_where_it_comes_from(void **state)
{
    (void)state;
    assert_string_equal(ask(login_check, NULL, NULL), NOBODY);
    peer.loopback = true;
    assert_string_equal(ask(login_check, NULL, NULL), NOBODY);
    config.admin.login_count = 0;
    assert_int_equal(role_now(), ADMIN_OPERATE);
    assert_string_equal(ask(login_check, login_whoami, NULL),
                        "200 {\"name\":\"loopback\",\"role\":\"operate\",\"login\":false}");
    peer.loopback = false;
    assert_string_equal(ask(login_check, NULL, NULL), NOBODY);
    config.admin.login_count = 2;
    peer.local = true;
    authorization = "Bearer wrong";
    route.role = ADMIN_OPERATE;
    assert_string_equal(ask(login_check, login_whoami, NULL), WHO("\"unix\"", "\"operate\""));
    peer.local = false;
    authorization = NULL;
    route.role = ADMIN_NOBODY;
    assert_string_equal(ask(login_check, login_whoami, NULL), WHO("null", "null"));
}

static void by_a_token(void **state)
{
    static const struct {
        const char *authorization, *who; /* NULL: nobody */
    } rows[] = {
        {"Bearer tok-en", WHO("\"probe\"", "\"read\"")},
        {"bEARER tok-en", WHO("\"probe\"", "\"read\"")},
        {"Bearer second", WHO("\"other\"", "\"view\"")},
        {"Bearer tok-e", NULL},
        {"Bearer tok-enn", NULL},
        {"Bearer ", NULL},
        {"Basic tok-en", NULL},
        {"tok-en", NULL},
    };
    (void)state;
    setenv("MXHOOK_TEST_TOKEN", "second", 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        authorization = rows[i].authorization;
        const char *said;
        CAPTURE(said = ask(login_check, rows[i].who ? login_whoami : NULL, NULL));
        assert_string_equal(said, rows[i].who ? rows[i].who : NOBODY);
        bool counted = !rows[i].who && strncasecmp(rows[i].authorization, "Bearer ", 7) == 0;
        assert_string_equal(after_time(),
                            counted ? "warn admin-refused from=192.0.2.1 name=(token)\n" : "");
    }
    authorization = "Bearer tok-en";
    route.role = ADMIN_READ;
    assert_string_equal(ask(login_check, NULL, NULL), "");
    route.role = ADMIN_OPERATE;
    assert_string_equal(ask(login_check, NULL, NULL), "403 {\"error\":\"probe may not do that\"}");
    authorization = "Bearer second";
    route.role = ADMIN_READ;
    assert_string_equal(ask(login_check, NULL, NULL), "403 {\"error\":\"other may not do that\"}");
    authorization = hash; /* a user's is no token */
    assert_int_equal(role_now(), ADMIN_NOBODY);
}

static void wrong_tokens_cost_time(void **state)
{
    (void)state;
    authorization = "Bearer wrong";
    for (int i = 0; i < 4; i++)
        CAPTURE(role_now());
    authorization = "Bearer tok-en";
    assert_int_equal(role_now(), ADMIN_READ);
    authorization = "Bearer wrong";
    CAPTURE(role_now());
    authorization = "Bearer tok-en";
    CAPTURE(assert_int_equal(role_now(), ADMIN_NOBODY));
    strcpy(peer.address, "192.0.2.2"); /* another one does not wait */
    assert_int_equal(role_now(), ADMIN_READ);
    strcpy(peer.address, "192.0.2.1");
    now += MINUTE_MS; /* and each that is made meanwhile counts */
    CAPTURE(assert_int_equal(role_now(), ADMIN_NOBODY));
    now += MINUTE_MS;
    CAPTURE(assert_int_equal(role_now(), ADMIN_NOBODY));
    now += MINUTE_MS + 1;
    assert_int_equal(role_now(), ADMIN_READ);
}

static void addresses_that_are_remembered(void **state)
{
    (void)state;
    authorization = "Bearer wrong";
    for (int i = 0; i < 5; i++)
        CAPTURE(role_now());
    for (int more = 0; more < 2; more++) {
        for (int i = 0; i < 255; i++) { /* 256 in all, and then one more */
            snprintf(peer.address, sizeof peer.address, "10.0.%d.1", i);
            now += more == 0;
            if (more == 0 || i == 0)
                CAPTURE(role_now());
        }
        if (more) {
            strcpy(peer.address, "10.1.0.1");
            CAPTURE(role_now());
        }
        strcpy(peer.address, "192.0.2.1");
        authorization = more ? "Bearer tok-en" : "Basic x"; /* which counts nothing */
        if (more)
            assert_int_equal(role_now(), ADMIN_READ);
        else
            assert_string_equal(log_in("ann", "right"), WAIT);
        authorization = "Bearer wrong";
    }
}

static void passwords(void **state)
{
    (void)state;
    CAPTURE(assert_string_equal(log_in("ann", "wrong"), WRONG));
    assert_string_equal(after_time(), "warn admin-refused from=192.0.2.1 name=ann\n");
    CAPTURE(assert_string_equal(log_in("nobody", "right"), WRONG));
    CAPTURE(assert_string_equal(log_in(NULL, NULL), WRONG));
    CAPTURE(assert_string_equal(log_in("probe", "tok-en"), WRONG)); /* a token is no password */
    assert_string_equal(key, "");
    CAPTURE(assert_string_equal(log_in("bob", "right"), WHO("\"bob\"", "\"view\"")));
    assert_string_equal(after_time(),
                        "info admin who=bob from=192.0.2.1 action=login what=bob count=1\n");
    assert_int_equal(strlen(key), 7 + 32);
    for (int i = 0; i < 5; i++) /* the right one began the count anew */
        CAPTURE(assert_string_equal(log_in("ann", "wrong"), WRONG));
    assert_string_equal(log_in("ann", "right"), WAIT);
    assert_string_equal(key, "");
    now += MINUTE_MS;
    assert_string_equal(log_in("ann", "right"), WAIT);
    now++;
    CAPTURE(assert_string_equal(log_in("ann", "right"), WHO("\"ann\"", "\"operate\"")));
}

static void sessions(void **state)
{
    char first[64], second[64];
    (void)state;
    CAPTURE(log_in("ann", "right"));
    strcpy(first, key);
    CAPTURE(log_in("bob", "right"));
    strcpy(second, key);
    assert_string_not_equal(first, second);
    cookie = first + 7;
    assert_int_equal(role_now(), ADMIN_OPERATE);
    cookie = second + 7;
    assert_string_equal(ask(login_check, login_whoami, NULL), WHO("\"bob\"", "\"view\""));
    now += SESSION_MS - 1;
    assert_int_equal(role_now(), ADMIN_VIEW); /* which makes it younger */
    now++;
    cookie = first + 7;
    assert_int_equal(role_now(), ADMIN_NOBODY);
    cookie = second + 7;
    assert_int_equal(role_now(), ADMIN_VIEW);
    logins[1].name = "bert"; /* who is no longer in the configuration */
    assert_int_equal(role_now(), ADMIN_NOBODY);
    logins[1].name = "bob";
    assert_string_equal(ask(login_check, login_leave, NULL), WHO("null", "null"));
    assert_string_equal(key, "mxhook=");
    assert_int_equal(role_now(), ADMIN_NOBODY);
    cookie = "";
    assert_int_equal(role_now(), ADMIN_NOBODY); /* of a place that is free */
}

/* The one that was not used the longest goes. */
static void as_many_sessions_as_there_are(void **state)
{
    static char keys[65][64];
    (void)state;
    for (int i = 0; i < 64; i++) {
        now++;
        CAPTURE(log_in("bob", "right"));
        strcpy(keys[i], key);
    }
    for (int i = 0; i < 64; i++) {
        now++;
        cookie = keys[(i + 1) % 64] + 7; /* the second one is the oldest then */
        assert_int_equal(role_now(), ADMIN_VIEW);
    }
    now++;
    CAPTURE(log_in("bob", "right"));
    strcpy(keys[64], key);
    for (int i = 0; i < 65; i++) {
        cookie = keys[i] + 7;
        assert_int_equal(role_now(), i == 1 ? ADMIN_NOBODY : ADMIN_VIEW);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(by_where_it_comes_from),        TEST(by_a_token), TEST(wrong_tokens_cost_time),
        TEST(addresses_that_are_remembered), TEST(passwords),  TEST(sessions),
        TEST(as_many_sessions_as_there_are),
    };
    log_set_limit(0);                                      /* the clock stands still */
    strcpy(hash, crypt("right", "$5$rounds=1000$mxhook")); /* cheap */
    return RUN_TESTS(tests);
}
