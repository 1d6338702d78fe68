#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mail/payload.h"

static const char plain_message[] = "From: Ada <ada@sender.example>\n"
                                    "To: User <user@example.com>\n"
                                    "Subject: Hello\n"
                                    "Date: Thu, 13 Feb 2020 13:44:12 -0800\n"
                                    "Message-ID: <one@sender.example>\n"
                                    "X-Tag: a\n"
                                    "X-Tag: b\n"
                                    "\n"
                                    "The body.\n";

int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    strcpy(f->directory, "/tmp/mxhook-rules-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    f->config = (struct rules_config){.directory = f->directory,
                                      .secrets = "/etc/secrets",
                                      .workers = 1,
                                      .time_limit_ms = 10000, /* on a busy machine too */
                                      .memory_limit = 64 << 20,
                                      .text_limit = 1 << 20};
    message_init();
    f->transaction = transaction_new("test-1", NULL, NULL);
    assert_non_null(f->transaction);
    assert_int_equal(transaction_set_sender(f->transaction, "ada@sender.example"), 0);
    strcpy(f->transaction->envelope.client_ip, "192.0.2.1");
    fixture_message(f, plain_message);
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    verdict_free(f->verdict);
    ruleset_unref(f->ruleset);
    message_free(f->message);
    transaction_free(f->transaction);
    snprintf(command, sizeof command, "rm -r %s", f->directory);
    int status = system(command);
    free(f);
    return status;
}

void fixture_rules(struct fixture *f, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/lib", f->directory);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%s", f->directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* The log goes to stderr: it is caught there. */
static int log_begin(void)
{
    log_set_limit(0); /* a fast machine runs more than a hundred rules that fail in a second */
    int saved = dup(STDERR_FILENO);
    int file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    assert_true(saved >= 0 && file >= 0);
    dup2(file, STDERR_FILENO);
    close(file);
    return saved;
}

static void log_end(struct fixture *f, int saved)
{
    ssize_t size = pread(STDERR_FILENO, f->log, sizeof f->log - 1, 0);
    f->log[size > 0 ? size : 0] = '\0';
    dup2(saved, STDERR_FILENO);
    close(saved);
}

static int load(struct fixture *f)
{
    struct ruleset *ruleset = NULL;
    f->err.text[0] = '\0';
    int saved = log_begin();
    int code = ruleset_load(&f->config, 1, &ruleset, &f->err);
    log_end(f, saved);
    if (code == 0) {
        ruleset_unref(f->ruleset);
        f->ruleset = ruleset;
    }
    return code;
}

void fixture_load(struct fixture *f)
{
    if (load(f) != 0)
        fail_msg("rules do not load: %s", f->err.text);
}

const char *fixture_load_error(struct fixture *f)
{
    assert_true(load(f) < 0);
    return f->err.text;
}

void fixture_message(struct fixture *f, const char *text)
{
    size_t size = 0;
    char *bytes = malloc(2 * strlen(text) + 1);
    assert_non_null(bytes);
    for (; *text; text++) {
        if (*text == '\n')
            bytes[size++] = '\r';
        bytes[size++] = *text;
    }
    struct spill *spill = spill_from_bytes(bytes, size);
    free(bytes);
    message_free(f->message);
    assert_int_equal(message_parse(spill, 1600000000, &f->message, NULL), 0);
    spill_free(spill);
}

void fixture_run(struct fixture *f, const char *recipient)
{
    struct header_list headers = {0};
    struct arena *arena = arena_new();
    assert_int_equal(payload_headers(f->message, &f->transaction->envelope, recipient,
                                     &(struct receiver){.hostname = "mx.example"}, arena, &headers),
                     0);
    struct rules_input input = {f->message, f->transaction, recipient, &headers, NULL, NULL, 0};
    verdict_free(f->verdict);
    f->verdict = NULL;
    int saved = log_begin();
    int code = ruleset_run(f->ruleset, 0, &input, &f->verdict);
    log_end(f, saved);
    assert_int_equal(code, 0);
    /* What the verdict keeps of the server's own fields must not live here: it is read later. */
    header_list_free(&headers);
    for (size_t i = 0; i < f->verdict->headers.count; i++) {
        struct header *header = &f->verdict->headers.items[i];
        header->name = arena_strdup(f->verdict->arena, header->name);
        header->value = arena_strndup(f->verdict->arena, header->value, header->value_size);
    }
    arena_free(arena);
}

void fixture_rule(struct fixture *f, const char *text)
{
    fixture_rules(f, "10.lua", text);
    fixture_load(f);
    fixture_run(f, "user@example.com");
}

void fixture_body(struct fixture *f, const char *body)
{
    char *text;
    assert_true(asprintf(&text, "return function(msg)\n%s\nend", body) > 0);
    fixture_rule(f, text);
    free(text);
}

void assert_kind(struct fixture *f, enum verdict_kind kind)
{
    if (f->verdict->kind != kind)
        fail_msg("verdict %d, not %d; log: %s", f->verdict->kind, kind, f->log);
}

void assert_goes_to(struct fixture *f, const char *urls)
{
    char text[8192] = "";
    assert_kind(f, VERDICT_DELIVER);
    for (size_t i = 0; i < f->verdict->destination_count; i++) {
        strcat(text, i ? " " : "");
        strcat(text, f->verdict->destinations[i].url);
    }
    assert_string_equal(text, urls);
}

void assert_logged(struct fixture *f, const char *text)
{
    if (!strstr(f->log, text))
        fail_msg("'%s' is not in the log: %s", text, f->log);
}

void assert_raises(struct fixture *f, const char *text)
{
    assert_kind(f, VERDICT_DEFER);
    assert_logged(f, "error rule-failed id=test-1");
    assert_logged(f, text);
}

void assert_header(struct fixture *f, const char *name, const char *values)
{
    char text[8192] = "(none)";
    const struct header_list *list = &f->verdict->headers;
    size_t used = 0;
    for (size_t i = header_list_find(list, name, 0); i < list->count;
         i = header_list_find(list, name, i + 1))
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used ? "|" : "",
                                 list->items[i].value);
    assert_string_equal(text, values);
}
