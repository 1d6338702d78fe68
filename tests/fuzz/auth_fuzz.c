/*
 * DKIM and DMARC with hostile messages and records: the input is a message; what its last line says
 * is the answer to every look-up. The header values hold no line end and no control character.
 */
#include <errno.h>
#include <string.h>

#include "auth/dmarc.h"
#include "auth/format.h"
#include "auth/signatures.h"
#include "fuzz.h"
#include "mail/message.h"

static struct signatures *signatures;
static struct dmarc *dmarc;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    message_init();
    signatures = signatures_open();
    dmarc = dmarc_open();
    EXPECT(signatures && dmarc);
    return 0;
}

static void answer_all(struct lookups *lookups, struct record record)
{
    for (size_t i = 0; i < lookups->count; i++)
        if (!lookups->items[i].answer) {
            lookups->items[i].answer = dns_answer_make(&record, 1, 0);
            EXPECT(lookups->items[i].answer != NULL);
        }
}

static void expect_clean(const char *value)
{
    for (; *value; value++)
        EXPECT((unsigned char)*value >= ' ' && *value != 127);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data, *last = size ? memrchr(bytes, '\n', size) : NULL;
    struct record record = {last ? size - (size_t)(last + 1 - bytes) : 0, last ? last + 1 : ""};
    struct spill *spill = spill_from_bytes(data, size);
    struct arena *arena = arena_new();
    struct lookups lookups = {0};
    struct head head;
    struct auth_result result = {.arena = arena};
    struct author author;
    EXPECT(spill && arena && head_read(spill, &head) == 0);
    EXPECT(author_read(&head, arena, &author) == 0);
    EXPECT(author.count <= AUTHOR_DOMAINS_MAX);
    EXPECT(author.count > 0 || author.flaw);
    EXPECT(!author.more || author.flaw);
    const char *domain = author.count ? author.domains[0] : NULL;
    int code = signatures_ask(&head, &lookups);
    EXPECT(code == 0 || code == -EAGAIN);
    code = dmarc_ask(dmarc, &author, &lookups);
    EXPECT(code == 0 || code == -EAGAIN);
    answer_all(&lookups, record);
    EXPECT(signatures_verify(signatures, spill, &head, &lookups, arena, &result.dkim,
                             &result.dkim_count) == 0);
    EXPECT(result.dkim_count <= SIGNATURES_MAX + 1);
    result.spf = (struct spf_result){.code = AUTH_PASS, .domain = domain ? domain : ""};
    struct dmarc_input input = {.author = &author,
                                .spf = &result.spf,
                                .dkim = result.dkim,
                                .dkim_count = result.dkim_count,
                                .spf_on = true,
                                .dkim_on = true};
    EXPECT(dmarc_check(dmarc, &input, &lookups, &result.dmarc, &result.refuse) == 0);
    EXPECT(!author.flaw || result.dmarc.code == AUTH_PERMERROR);
    struct format_input format = {"mx.example", "192.0.2.1", domain ? domain : "\x01(\"\\"};
    EXPECT(format_result(&result, &format) == 0);
    expect_clean(result.received_spf);
    expect_clean(result.authentication_results);
    lookups_free(&lookups);
    head_free(&head);
    arena_free(arena);
    spill_free(spill);
    return 0;
}
