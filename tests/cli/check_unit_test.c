/* What the service may reach, as systemd says it, and what the configuration names. */
#include "../captured_log.h"
#include "../test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/check_unit.h"
#include "cli/cli.h"

#define SHIPPED                                                                                    \
    "User=mxhook\nReadWritePaths=\nPrivateTmp=yes\nProtectHome=yes\nProtectSystem=strict\n"        \
    "RuntimeDirectory=mxhook\nStateDirectory=mxhook\n"

static struct listen_address smtp_on[] = {{.host = "::", .port = 25}, {.host = ""}};
static struct listen_address admin_on[] = {{.host = "/run/mxhook/admin.sock"}};
static struct certificate_files files[] = {{"/etc/ssl/mx.crt", "/etc/ssl/mx.key"}};
static struct config_reference references[] = {
    {.option = "scan.password", .text = "file:/etc/mxhook/rspamd"}};

static struct config shipped(void)
{
    return (struct config){
        .path = "mxhook.lua",
        .smtp = {.listen = smtp_on, .listen_count = 2},
        .admin = {.listen = admin_on, .listen_count = 1},
        .tls = {.certificates = files, .certificate_count = 1},
        .rules = {.directory = "/etc/mxhook/rules.d", .secrets = "/etc/mxhook/secrets"},
        .spool = {.directory = "/var/lib/mxhook"},
        .references = references,
        .reference_count = 1};
}

/* What it says on stderr. */
static const char *said(const struct config *config, const char *show, int expected)
{
    int code = CLI_OK;
    struct service_unit unit;
    FILE *in = fmemopen((void *)show, strlen(show) + 1, "r");
    check_unit_read(in, &unit);
    CAPTURE(code = check_unit(config, &unit));
    fclose(in);
    assert_int_equal(code, expected);
    return written;
}

static void test_what_is_shipped_fits(void **state)
{
    (void)state;
    struct config config = shipped();
    assert_string_equal(said(&config, SHIPPED, CLI_OK), "");
    config.spool.directory = "/srv/mail"; /* no such unit, no systemd */
    config.user = "mail";
    assert_string_equal(said(&config, "", CLI_OK), "");
    assert_string_equal(said(&config, "Unit mxhook.service could not be found.\n", CLI_OK), "");
    assert_string_equal(said(&config, "User=\nProtectSystem=no\nProtectHome=no\n", CLI_OK), "");
}

static void test_where_it_may_write(void **state)
{
    (void)state;
    static const struct {
        const char *directory, *more;
        int code;
    } cases[] = {
        {"/var/lib/mxhook", "", CLI_OK},
        {"/var/lib/mxhook/spool", "", CLI_OK},
        {"/var/lib/mxhook2", "", CLI_FAILED},
        {"/var/lib", "", CLI_FAILED},
        {"/srv/mail", "", CLI_FAILED},
        {"/srv/mail", "ReadWritePaths=/mnt -/srv/mail\n", CLI_OK},
        {"/srv/mail", "ReadWritePaths=/srv/mailx\n", CLI_FAILED},
        {"/srv/mail/a", "ReadWritePaths=+/srv\n", CLI_OK},
        {"/srv/mail", "BindPaths=/mnt/disk:/srv/mail:rbind\n", CLI_OK},
        {"/mnt/disk", "BindPaths=/mnt/disk:/srv/mail:rbind\n", CLI_FAILED},
        {"/srv/mail", "BindReadOnlyPaths=/srv/mail\n", CLI_FAILED},
        {"/srv/mail", "StateDirectory=mxhook:srv\n", CLI_FAILED},
        {"/var/lib/more", "StateDirectory=mxhook more:link\n", CLI_OK},
        {"/srv/mail", "ProtectSystem=full\n", CLI_OK},
        {"/srv/mail", "ProtectSystem=yes\n", CLI_OK},
        {"/etc/mxhook/spool", "ProtectSystem=full\n", CLI_FAILED},
        {"/etc/mxhook/spool", "ProtectSystem=yes\n", CLI_OK},
        {"/usr/spool", "ProtectSystem=yes\n", CLI_FAILED},
        {"/usr/spool", "ProtectSystem=no\n", CLI_OK},
        {"/home/me/spool", "ReadWritePaths=/home/me/spool\n", CLI_FAILED},
        {"/home/me/spool", "BindPaths=/home/me/spool\n", CLI_OK},
        {"/home/me/spool", "ProtectHome=no\nReadWritePaths=/home\n", CLI_OK},
        {"/home/me/spool", "ProtectHome=read-only\n", CLI_FAILED},
        {"/root/spool", "ProtectHome=tmpfs\n", CLI_FAILED},
        {"/homes/me", "ReadWritePaths=/homes\n", CLI_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config config = shipped();
        char show[1000];
        snprintf(show, sizeof show, SHIPPED "%s", cases[i].more);
        config.spool.directory = (char *)cases[i].directory;
        print_message("%s, %s", cases[i].directory, cases[i].more);
        const char *text = said(&config, show, cases[i].code);
        assert_int_equal(strstr(text, "spool.directory: mxhook.service ") != NULL,
                         cases[i].code != CLI_OK);
    }
}

static void test_each_option_is_looked_at(void **state)
{
    (void)state;
    struct config config = shipped();
    config.rules.directory = "/home/me/rules.d";
    config.deliver.ca_file = "/root/ca.pem";
    struct certificate_files mine[] = {{"/home/me/mx.crt", "/run/user/1/mx.key"}};
    config.tls.certificates = mine;
    struct config_reference secret[] = {{.option = "scan.password", .text = "file:/home/me/secret"},
                                        {.option = "forward.password", .text = "env:/home/me"}};
    config.references = secret;
    config.reference_count = 2;
    struct listen_address on[] = {{.host = "/srv/lmtp.sock"}},
                          admin[] = {{.host = "/run/admin.sock"}};
    config.smtp.listen = on;
    config.smtp.listen_count = 1;
    config.admin.listen = admin;
    config.user = "mail";
    static const char *const expected[] = {
        "rules.directory: mxhook.service does not see /home/me/rules.d; to let it: `systemctl edit "
        "mxhook.service`, and in "
        "[Service] BindReadOnlyPaths=/home/me/rules.d\n",
        "deliver.ca_file: mxhook.service does not see /root/ca.pem;",
        "tls: mxhook.service does not see /home/me/mx.crt;",
        "tls: mxhook.service does not see /run/user/1/mx.key;",
        "scan.password: mxhook.service does not see /home/me/secret;",
        "] ReadWritePaths=/srv\n",
        " listen: mxhook.service may not write to /srv;",
        " admin.listen: mxhook.service may not write to /run;",
        " user: mxhook.service runs as mxhook, and cannot become mail; ",
    };
    const char *text = said(&config, SHIPPED, CLI_FAILED);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        if (!strstr(text, expected[i]))
            fail_msg("%s is not in\n%s", expected[i], text);
    assert_null(strstr(text, "forward.password"));
    config.user = "mxhook"; /* who it is already */
    assert_null(strstr(said(&config, SHIPPED, CLI_FAILED), " user: "));
}

static void test_links_are_followed(void **state)
{
    (void)state;
    char folder[] = "/tmp/mxhook-unit-XXXXXX", link[60], show[200];
    assert_non_null(mkdtemp(folder));
    snprintf(link, sizeof link, "%s/spool", folder);
    assert_int_equal(symlink("/usr/share", link), 0);
    snprintf(show, sizeof show, "ProtectSystem=strict\nReadWritePaths=%s\n", folder);
    struct config config = shipped();
    config.spool.directory = link;
    config.admin.listen_count = 0;
    assert_non_null(strstr(said(&config, show, CLI_FAILED), "may not write to"));
    snprintf(show, sizeof show, "ProtectSystem=strict\nReadWritePaths=%s\n", link);
    assert_string_equal(said(&config, show, CLI_OK), "");
    config.spool.directory = "/usr/share/not/there/yet";
    assert_string_equal(said(&config, show, CLI_OK), "");
    config.spool.directory = "/usr/lib";
    assert_non_null(strstr(said(&config, show, CLI_FAILED), "may not write to"));
    unlink(link);
    rmdir(folder);
}

static void test_a_private_tmp_is_warned_of(void **state)
{
    (void)state;
    struct config config = shipped();
    config.spool.directory = "/tmp/spool";
    assert_non_null(strstr(said(&config, SHIPPED, CLI_OK),
                           "warning: mxhook.lua: spool.directory: mxhook.service has a "
                           "/tmp/spool of its own, which is deleted when it stops\n"));
    assert_string_equal(said(&config, "ProtectSystem=no\nPrivateTmp=no\n", CLI_OK), "");
    assert_non_null(strstr(said(&config, "ProtectSystem=strict\nPrivateTmp=no\n", CLI_FAILED),
                           "may not write to"));
}

static void test_long_lines(void **state)
{
    (void)state;
    static char show[20000] = "ReadWritePaths=";
    struct service_unit unit;
    for (size_t i = strlen(show); i < sizeof show - 1; i++)
        show[i] = i % 9 ? 'x' : ' ';
    FILE *in = fmemopen(show, sizeof show, "r");
    check_unit_read(in, &unit);
    fclose(in);
    assert_true(strlen(unit.writable) < sizeof unit.writable);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_shipped_fits),
        cmocka_unit_test(test_where_it_may_write),
        cmocka_unit_test(test_each_option_is_looked_at),
        cmocka_unit_test(test_links_are_followed),
        cmocka_unit_test(test_a_private_tmp_is_warned_of),
        cmocka_unit_test(test_long_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
