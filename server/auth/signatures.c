#include "signatures.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <opendkim/dkim.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#define FIELD "DKIM-Signature"

struct signatures {
    DKIM_LIB *library;
};

/* --- Keys --- */

static bool key_name(const char *selector, const char *domain, char *out, size_t size)
{
    int used = snprintf(out, size, "%s." DKIM_DNSKEYNAME ".%s", selector, domain);
    return used > 0 && (size_t)used < size;
}

/* Of several records one that may be a key; which one is undefined (RFC 6376 section 3.6.2.2). */
static const struct record *find_key(const struct dns_answer *answer)
{
    char value[16];
    for (size_t i = 0; i < answer->count; i++) {
        const struct record *record = &answer->records[i];
        if (!tag_value(record->data, record->size, "v", value, sizeof value) ||
            strcmp(value, "DKIM1") == 0)
            return record;
    }
    return NULL;
}

/* A number of an RSA key is of so many bits at most. */
static bool is_within(const EVP_PKEY *key, const char *name, int bits)
{
    BIGNUM *number = NULL;
    bool within = EVP_PKEY_get_bn_param(key, name, &number) && BN_num_bits(number) <= bits;
    BN_free(number);
    return within;
}

/* How often a tag stands in the list. */
static size_t count_tag(const struct record *record, const char *tag)
{
    const char *at = record->data, *end = at + record->size;
    size_t count = 0;
    char value[2 * SIGNATURE_MAX_BYTES];
    while (at < end) {
        const char *stop = memchr(at, ';', (size_t)(end - at));
        stop = stop ? stop : end;
        count += tag_value(at, (size_t)(stop - at), tag, value, sizeof value);
        at = stop + 1;
    }
    return count;
}

/* The p of a key: bytes, or -1 where it is no base64 (RFC 6376 section 3.6.1). libopendkim skips
 * what is none, and might so read another key than is_usable(). */
static int decode_key(const struct record *record, unsigned char *out)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[SIGNATURE_MAX_BYTES + 4];
    if (!tag_value(record->data, record->size, "p", text, SIGNATURE_MAX_BYTES))
        return -1;
    size_t size = strspn(text, alphabet);
    size_t padding = strspn(text + size, "=");
    if (text[size + padding] || padding > 2)
        return -1;
    for (; size % 4 != 0; size++)
        text[size] = '=';
    return EVP_DecodeBlock(out, (unsigned char *)text, (int)size);
}

/* Can libopendkim be given this one: is it one key, and does verifying with it cost little? What is
 * no RSA key costs little, or is refused by it. */
static bool is_usable(const struct record *record)
{
    unsigned char bytes[SIGNATURE_MAX_BYTES];
    const unsigned char *at = bytes;
    int size = count_tag(record, "p") == 1 ? decode_key(record, bytes) : -1;
    EVP_PKEY *key = size > 0 ? d2i_PUBKEY(NULL, &at, size) : NULL;
    bool usable = size >= 0 && (!key || !EVP_PKEY_is_a(key, "RSA") ||
                                (is_within(key, OSSL_PKEY_PARAM_RSA_N, SIGNATURE_KEY_BITS) &&
                                 is_within(key, OSSL_PKEY_PARAM_RSA_E, SIGNATURE_EXPONENT_BITS)));
    EVP_PKEY_free(key);
    ERR_clear_error();
    return usable;
}

/* libopendkim's hook, instead of its own DNS. */
static DKIM_CBSTAT on_key(DKIM *dkim, DKIM_SIGINFO *info, u_char *buffer, size_t size)
{
    char name[2 * DNS_NAME_MAX];
    const struct lookups *lookups = dkim_get_user_context(dkim);
    if (!key_name((char *)dkim_sig_getselector(info), (char *)dkim_sig_getdomain(info), name,
                  sizeof name))
        return DKIM_CBSTAT_NOTFOUND;
    char normal[DNS_NAME_MAX + 1];
    if (!dns_name(name, normal))
        return DKIM_CBSTAT_NOTFOUND;
    const struct dns_answer *answer = lookups_find(lookups, name, RECORD_TXT);
    if (!answer || answer->status == DNS_FAILED)
        return DKIM_CBSTAT_TRYAGAIN;
    const struct record *key = find_key(answer);
    if (!key)
        return DKIM_CBSTAT_NOTFOUND;
    if (key->size >= size || memchr(key->data, 0, key->size) || !is_usable(key))
        return DKIM_CBSTAT_ERROR;
    memcpy(buffer, key->data, key->size);
    buffer[key->size] = 0;
    return DKIM_CBSTAT_CONTINUE;
}

struct signatures *signatures_open(void)
{
    struct signatures *signatures = calloc(1, sizeof *signatures);
    DKIM_LIB *library = signatures ? dkim_init(NULL, NULL) : NULL;
    /* Keys when the body is read, since all are verified then; broken signatures are told too. */
    u_int flags = DKIM_LIBFLAGS_DELAYSIGPROC | DKIM_LIBFLAGS_BADSIGHANDLES;
    if (library && dkim_libfeature(library, DKIM_FEATURE_SHA256) &&
        dkim_libfeature(library, DKIM_FEATURE_ED25519) &&
        dkim_set_key_lookup(library, on_key) == DKIM_STAT_OK &&
        dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_FLAGS, &flags, sizeof flags) ==
            DKIM_STAT_OK) {
        signatures->library = library;
        return signatures;
    }
    if (library)
        dkim_close(library);
    free(signatures);
    return NULL;
}

void signatures_close(struct signatures *signatures)
{
    if (!signatures)
        return;
    dkim_close(signatures->library);
    free(signatures);
}

/* --- Which are looked at --- */

/* The fields that are verified, in order; and whether there are more. */
struct chosen {
    const struct head_field *fields[SIGNATURES_MAX];
    size_t count;
    bool more;
};

static struct chosen choose(const struct head *head)
{
    struct chosen chosen = {.count = 0};
    for (size_t i = head_find(head, FIELD, 0); i < head->strict_count;
         i = head_find(head, FIELD, i + 1)) {
        if (chosen.count == SIGNATURES_MAX || head->fields[i].size > SIGNATURE_MAX_BYTES)
            chosen.more = true;
        else
            chosen.fields[chosen.count++] = &head->fields[i];
    }
    return chosen;
}

int signatures_ask(const struct head *head, struct lookups *lookups)
{
    char selector[DNS_NAME_MAX + 1], domain[DNS_NAME_MAX + 1], name[2 * DNS_NAME_MAX];
    struct chosen chosen = choose(head);
    const struct dns_answer *answer;
    int result = 0;
    for (size_t i = 0; i < chosen.count; i++) {
        const struct head_field *f = chosen.fields[i];
        if (!tag_value(f->value, f->value_size, "s", selector, sizeof selector) ||
            !tag_value(f->value, f->value_size, "d", domain, sizeof domain) ||
            !key_name(selector, domain, name, sizeof name))
            continue;
        int code = lookups_get(lookups, name, RECORD_TXT, &answer);
        if (code == -ENOMEM)
            return code;
        if (code == -EAGAIN)
            result = code;
    }
    return result;
}

/* --- Results --- */

static const char *copy_tag(const struct head_field *field, const char *tag, size_t limit,
                            struct arena *arena)
{
    char value[SIGNATURE_MAX_BYTES];
    if (!tag_value(field->value, field->value_size, tag, value, sizeof value))
        return "";
    return arena_strndup(arena, value, strnlen(value, limit));
}

static void judge_error(DKIM_SIGINFO *info, struct dkim_result *out)
{
    DKIM_SIGERROR error = dkim_sig_geterror(info);
    out->reason = dkim_sig_geterrorstr(error);
    switch (error) {
    case DKIM_SIGERROR_BADSIG:
        out->code = AUTH_FAIL;
        if (dkim_sig_getbh(info) == DKIM_SIGBH_MISMATCH)
            out->reason = "the body was changed";
        else
            out->reason = "the signature does not fit the header";
        break;
    case DKIM_SIGERROR_KEYFAIL: out->code = AUTH_TEMPERROR; break;
    case DKIM_SIGERROR_KEYTOOSMALL: out->code = AUTH_POLICY; break;
    case DKIM_SIGERROR_OK:
    case DKIM_SIGERROR_UNKNOWN: /* the look-up said "again" */
        out->code = AUTH_TEMPERROR;
        out->reason = "DNS look-up of the key failed";
        break;
    default: out->code = AUTH_PERMERROR; break;
    }
}

static bool has_answer(const struct lookups *lookups, const struct dkim_result *result)
{
    char name[2 * DNS_NAME_MAX];
    const struct dns_answer *answer = NULL;
    if (key_name(result->selector, result->domain, name, sizeof name))
        answer = lookups_find(lookups, name, RECORD_TXT);
    return answer && answer->status != DNS_FAILED;
}

static void judge(DKIM_SIGINFO *info, const struct lookups *lookups, struct dkim_result *out)
{
    bool passed = (dkim_sig_getflags(info) & DKIM_SIGFLAG_PASSED) != 0 &&
                  dkim_sig_getbh(info) == DKIM_SIGBH_MATCH;
    DKIM_SIGERROR error = dkim_sig_geterror(info);
    if (strcasecmp(out->algorithm, "rsa-sha1") == 0) {
        out->code = AUTH_POLICY;
        out->reason = "rsa-sha1 does not count (RFC 8301)";
    } else if (passed && (error == DKIM_SIGERROR_OK || error == DKIM_SIGERROR_UNKNOWN)) {
        out->code = AUTH_PASS;
    } else {
        judge_error(info, out);
        if (out->code == AUTH_TEMPERROR && has_answer(lookups, out)) {
            out->code = AUTH_PERMERROR;
            out->reason = "the key cannot be used";
        }
    }
}

static int describe(const struct chosen *chosen, struct arena *arena, struct dkim_result **out,
                    size_t *count)
{
    struct dkim_result *results = arena_alloc(arena, (chosen->count + 1) * sizeof *results);
    if (!results)
        return -ENOMEM;
    for (size_t i = 0; i < chosen->count; i++) {
        const struct head_field *f = chosen->fields[i];
        results[i] = (struct dkim_result){
            .code = AUTH_PERMERROR,
            .domain = copy_tag(f, "d", DNS_NAME_MAX, arena),
            .selector = copy_tag(f, "s", DNS_NAME_MAX, arena),
            .algorithm = copy_tag(f, "a", 32, arena),
            .signature = copy_tag(f, "b", 8, arena),
            .reason = "the message cannot be checked",
        };
        if (!results[i].domain || !results[i].selector || !results[i].algorithm ||
            !results[i].signature)
            return -ENOMEM;
    }
    if (chosen->more)
        results[chosen->count] =
            (struct dkim_result){.code = AUTH_POLICY,
                                 .domain = "",
                                 .selector = "",
                                 .algorithm = "",
                                 .signature = "",
                                 .reason = "more or larger signatures than are checked"};
    *out = results;
    *count = chosen->count + chosen->more;
    return 0;
}

/* --- Verifying --- */

static bool is_chosen(const struct chosen *chosen, const struct head_field *field)
{
    for (size_t i = 0; i < chosen->count; i++)
        if (chosen->fields[i] == field)
            return true;
    return field->name_size != strlen(FIELD) ||
           strncasecmp(field->bytes, FIELD, field->name_size) != 0;
}

static DKIM_STAT feed_head(DKIM *dkim, const struct head *head, const struct chosen *chosen)
{
    for (size_t i = 0; i < head->strict_count; i++) {
        const struct head_field *f = &head->fields[i];
        if (!is_chosen(chosen, f))
            continue;
        /* A signature that cannot be read is one without a pass, told by its handle. */
        DKIM_STAT status = dkim_header(dkim, (u_char *)f->bytes, f->size);
        if (status == DKIM_STAT_NORESOURCE || status == DKIM_STAT_INTERNAL)
            return status;
    }
    return dkim_eoh(dkim);
}

static int feed_body(DKIM *dkim, const struct spill *data, uint64_t offset)
{
    uint64_t size = spill_size(data);
    const char *memory = spill_memory(data);
    if (memory)
        return offset < size && dkim_body(dkim, (u_char *)memory + offset,
                                          (size_t)(size - offset)) == DKIM_STAT_NORESOURCE
                   ? -ENOMEM
                   : 0;
    u_char buffer[32768];
    for (ssize_t got; offset < size; offset += (uint64_t)got) {
        got = spill_read(data, offset, buffer, sizeof buffer);
        if (got <= 0)
            return got < 0 ? (int)got : -EIO;
        if (dkim_body(dkim, buffer, (size_t)got) == DKIM_STAT_NORESOURCE)
            return -ENOMEM;
    }
    return 0;
}

static int run(DKIM *dkim, const struct spill *data, const struct head *head,
               const struct chosen *chosen, const struct lookups *lookups,
               struct dkim_result *results)
{
    DKIM_SIGINFO **infos;
    int count;
    dkim_set_user_context(dkim, (void *)lookups);
    DKIM_STAT status = feed_head(dkim, head, chosen);
    if (status == DKIM_STAT_NORESOURCE)
        return -ENOMEM;
    if (status != DKIM_STAT_OK) /* the results say so already */
        return 0;
    int code = feed_body(dkim, data, head->body);
    if (code < 0)
        return code;
    if (dkim_eom(dkim, NULL) == DKIM_STAT_NORESOURCE)
        return -ENOMEM;
    if (dkim_getsiglist(dkim, &infos, &count) == DKIM_STAT_OK && count == (int)chosen->count)
        for (int i = 0; i < count; i++) {
            results[i].reason = NULL;
            judge(infos[i], lookups, &results[i]);
        }
    return 0;
}

int signatures_verify(struct signatures *signatures, const struct spill *data,
                      const struct head *head, const struct lookups *lookups, struct arena *arena,
                      struct dkim_result **out, size_t *count)
{
    DKIM_STAT status;
    struct chosen chosen = choose(head);
    if (head->too_large)
        chosen.more = true;
    int code = describe(&chosen, arena, out, count);
    if (code < 0 || chosen.count == 0)
        return code;
    DKIM *dkim = dkim_verify(signatures->library, (const u_char *)"", NULL, &status);
    if (!dkim)
        return -ENOMEM;
    code = run(dkim, data, head, &chosen, lookups, *out);
    dkim_free(dkim);
    return code;
}
