/* The session, by its real input function: what it replies and submits does not depend on how the
 * bytes are cut. The first bytes of the input say where to cut, and what kind of session it is; the
 * rest is what the client sends. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "base/log.h"
#include "base/network.h"
#include "smtp/access.h"
#include "../smtp/waiting.h"
#include "smtp/session.h"
#include "base/spill.h"

#define CUTS       4 /* sizes of pieces, taken in turn */
#define HEAD       (CUTS + 1)
#define KIND_LMTP  1 /* bits of the byte after them */
#define KIND_TRUST 2
#define SMALL      100 /* input up to this is also cut in two, at each place in turn */
#define REPLY_LINE 512 /* RFC 5321 section 4.5.3.1.5 */

struct text {
    char *bytes;
    size_t size;
};

struct play {
    struct session *session;
    struct text replies, messages;
    struct transaction *submitted;
    bool closed;
    char client[46]; /* that XCLIENT named last */
};

static struct config *config;
static uint8_t kind; /* of all sessions of one input */
static int rules_held;

static void append(struct text *text, const char *bytes, size_t size)
{
    text->bytes = realloc(text->bytes, text->size + size + 1);
    EXPECT(text->bytes);
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
}

static bool on_send(void *context, const char *bytes, size_t size)
{
    struct play *play = context;
    EXPECT(!play->closed);
    append(&play->replies, bytes, size);
    return true;
}

static void on_close(void *context)
{
    struct play *play = context;
    EXPECT(!play->closed);
    play->closed = true;
}

static struct ruleset *on_rules(void *context)
{
    (void)context;
    rules_held++;
    return (struct ruleset *)&rules_held;
}

static void on_release(struct ruleset *rules)
{
    (void)rules;
    rules_held--;
}

static enum recipient_answer on_check(void *context, struct ruleset *rules, const char *recipient)
{
    (void)context, (void)rules;
    if (recipient[0] == 'b')
        return RECIPIENT_BOUNCE;
    return recipient[0] == 'u' ? RECIPIENT_UNKNOWN : RECIPIENT_OK;
}

static void on_submit(void *context, struct transaction *transaction)
{
    struct play *play = context;
    EXPECT(!play->submitted);
    play->submitted = transaction;
}

/* Whatever a client says, the address is one, or not known. */
static const struct refusal *on_enter(void *context, const char *client_ip)
{
    static const struct refusal denied = {554, "5.7.1", "no"};
    struct play *play = context;
    struct ip_address address;
    EXPECT(!*client_ip || ip_address_parse(client_ip, &address) == 0);
    snprintf(play->client, sizeof play->client, "%s", client_ip);
    return client_ip[0] == '9' ? &denied : NULL;
}

/* In LMTP each recipient has a reply, by its first letter. */
static void reply_to(const struct play *play, const struct envelope *envelope)
{
    struct reply replies[3];
    EXPECT(envelope->recipient_count <= 3 && envelope->lmtp == (kind & KIND_LMTP));
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        bool bad = envelope->lmtp && envelope->recipients[i][0] == 'r';
        reply_set(&replies[i], bad ? 550 : 250, bad ? "5.7.1" : "2.0.0", bad ? "no" : "OK");
    }
    session_answer(play->session, replies, envelope->lmtp ? envelope->recipient_count : 1);
}

static void answer(struct play *play)
{
    struct transaction *transaction = play->submitted;
    size_t size = (size_t)spill_size(transaction->data);
    char *bytes = malloc(size + 1);
    EXPECT(bytes && spill_read(transaction->data, 0, bytes, size) == (ssize_t)size);
    append(&play->messages, bytes, size);
    append(&play->messages, "\0", 1);
    free(bytes);
    append(&play->messages, transaction->envelope.client_ip,
           sizeof transaction->envelope.client_ip);
    append(&play->messages, transaction->envelope.proxy, sizeof transaction->envelope.proxy);
    play->submitted = NULL;
    reply_to(play, &transaction->envelope);
    transaction_free(transaction);
}

static void give(struct play *play, const uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        char *piece = malloc(size - at); /* of its own, so that a read past it is seen */
        EXPECT(piece);
        memcpy(piece, bytes + at, size - at);
        size_t used = session_input(play->session, piece, size - at);
        free(piece);
        EXPECT(used <= size - at);
        EXPECT(used == size - at || play->submitted);
        EXPECT(session_is_waiting(play->session) == (play->submitted != NULL));
        at += used;
        if (play->submitted)
            answer(play);
    }
}

static void start(struct play *play)
{
    static const struct session_hooks hooks = {
        .send = on_send,
        .close = on_close,
        .rules = on_rules,
        .release_rules = on_release,
        .check_recipient = on_check,
        .enter = on_enter,
        .submit = on_submit,
    };
    const struct listen_address listener = {.lmtp = kind & KIND_LMTP};
    *play = (struct play){0};
    play->session = session_new(config, &hooks, play, "id", "192.0.2.1", "/tmp");
    EXPECT(play->session);
    session_set_listener(play->session, &listener);
    if (kind & KIND_TRUST)
        session_trust(play->session);
    session_start(play->session);
}

static void end(struct play *play)
{
    session_free(play->session);
    EXPECT(rules_held == 0);
}

static bool same_text(const struct text *a, const struct text *b)
{
    return a->size == b->size && (a->size == 0 || memcmp(a->bytes, b->bytes, a->size) == 0);
}

static void expect_same(const struct play *whole, struct play *cut)
{
    end(cut);
    EXPECT(same_text(&whole->replies, &cut->replies));
    EXPECT(same_text(&whole->messages, &cut->messages));
    EXPECT(whole->closed == cut->closed);
    EXPECT(strcmp(whole->client, cut->client) == 0);
    free(cut->replies.bytes);
    free(cut->messages.bytes);
}

static void play_cut(const struct play *whole, const uint8_t *bytes, size_t size,
                     const uint8_t cuts[CUTS])
{
    struct play play;
    start(&play);
    for (size_t at = 0, i = 0; at < size; i++) {
        size_t piece = 1 + cuts[i % CUTS] % 17;
        if (piece > size - at)
            piece = size - at;
        give(&play, bytes + at, piece);
        at += piece;
    }
    expect_same(whole, &play);
}

static void play_in_two(const struct play *whole, const uint8_t *bytes, size_t size, size_t first)
{
    struct play play;
    start(&play);
    give(&play, bytes, first);
    give(&play, bytes + first, size - first);
    expect_same(whole, &play);
}

/* Whatever came in: lines of CRLF, none too long, each beginning with a code. */
static void check_replies(const struct text *replies)
{
    const char *line = replies->bytes, *end_of_all = line + replies->size;
    while (line < end_of_all) {
        const char *lf = memchr(line, '\n', (size_t)(end_of_all - line));
        EXPECT(lf && lf - line >= 5 && lf[-1] == '\r' && lf + 1 - line <= REPLY_LINE);
        EXPECT(line[0] >= '2' && line[0] <= '5' && (line[3] == ' ' || line[3] == '-'));
        EXPECT(!memchr(line, '\r', (size_t)(lf - 1 - line)));
        EXPECT(!memchr(line, 0, (size_t)(lf - line)));
        line = lf + 1;
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    char path[] = "/tmp/mxhook-fuzz-XXXXXX";
    static const char text[] =
        "hostname = 'mx.test' domains = { 'example.com', '*.sub.example.com' }"
        "smtp = { max_size = 5000, max_recipients = 3, max_errors = 10 }";
    struct error err;
    int fd = mkstemp(path);
    EXPECT(fd >= 0 && write(fd, text, sizeof text - 1) == sizeof text - 1);
    close(fd);
    EXPECT(config_load(path, &config, &err) == 0);
    unlink(path);
    log_set_level(LOG_ERROR + 1);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD)
        return -1;
    const uint8_t *bytes = data + HEAD;
    size -= HEAD;
    kind = data[CUTS];
    struct play whole;
    start(&whole);
    give(&whole, bytes, size);
    end(&whole);
    check_replies(&whole.replies);
    play_cut(&whole, bytes, size, data);
    for (size_t first = 1; size <= SMALL && first < size; first++)
        play_in_two(&whole, bytes, size, first);
    free(whole.replies.bytes);
    free(whole.messages.bytes);
    return 0;
}
