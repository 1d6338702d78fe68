/*
 * The answer is read as a stream of events (libyajl), since most of it is not wanted. Of 1.9 KB with thirteen symbols that
 * takes 72,000 instructions; a tree of it (Jansson) took 295,000, and 150,000 of malloc() and free().
 *
 * place    what the object or array that is being read holds; PLACE_OTHER is nothing that is wanted
 * member   which member of it comes next, of those that are wanted
 */
#include "rspamd_answer.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <strings.h>
#include <yajl/yajl_parse.h>

#include "../mail/buffer.h"
#include "../mail/provenance.h"
#include "rspamd_text.h"

#define DEPTH_MAX 8 /* places that are told apart; what is deeper is PLACE_OTHER */
/* Of what is open at once: libyajl keeps a byte of each, and copies all as they grow. */
#define LEVELS_MAX 100
/* Bytes that are parsed at once: libyajl begins a text anew with each piece that it is given. */
#define PIECE_MIN (256u << 10)

enum place {
    PLACE_OTHER,
    PLACE_DOCUMENT,
    PLACE_ANSWER,
    PLACE_MESSAGES,
    PLACE_SYMBOLS,
    PLACE_SYMBOL,
    PLACE_OPTIONS,
    PLACE_MILTER,
    PLACE_REMOVED,
    PLACE_ADDED,
    PLACE_FIELDS, /* several of one name */
    PLACE_FIELD,
};

enum member {
    MEMBER_OTHER,
    MEMBER_ACTION,
    MEMBER_SCORE,
    MEMBER_REQUIRED,
    MEMBER_SYMBOLS,
    MEMBER_MESSAGES,
    MEMBER_MILTER,
    MEMBER_TEXT,
    MEMBER_OPTIONS,
    MEMBER_REMOVED,
    MEMBER_ADDED,
    MEMBER_VALUE,
};

/* A member that is wanted, of a place. Asked for each member of the answer, so without strlen(). */
struct name {
    const char *text;
    size_t size;
    enum member member;
};

#define NAME(text, member) {text, sizeof text - 1, member}
static const struct name names[][8] = {
    [PLACE_ANSWER] = {NAME("action", MEMBER_ACTION), NAME("score", MEMBER_SCORE),
                      NAME("required_score", MEMBER_REQUIRED), NAME("symbols", MEMBER_SYMBOLS),
                      NAME("messages", MEMBER_MESSAGES), NAME("milter", MEMBER_MILTER)},
    [PLACE_MESSAGES] = {NAME("smtp_message", MEMBER_TEXT)},
    [PLACE_SYMBOL] = {NAME("score", MEMBER_SCORE), NAME("options", MEMBER_OPTIONS)},
    [PLACE_MILTER] = {NAME("remove_headers", MEMBER_REMOVED), NAME("add_headers", MEMBER_ADDED)},
    [PLACE_FIELD] = {NAME("value", MEMBER_VALUE)},
};

struct rspamd_answer {
    const struct scan_config *config;
    struct scan_result *result; /* this lies in its arena */
    yajl_handle parser;
    struct buffer piece; /* not parsed yet */
    size_t size;         /* read by now */
    int code;            /* why no more is */
    enum place places[DEPTH_MAX];
    size_t depth; /* of all that is open */
    enum member member;
    const char *name; /* of the symbol or field that is read; NULL: not wanted */
    const char *action;
    double score, required; /* NAN: there is none */
    struct scan_symbol symbol;
    const char *options[RSPAMD_OPTIONS_MAX];
    size_t symbol_capacity;
    struct header_list added;
};

static enum place place_of(const struct rspamd_answer *r)
{
    return r->depth < DEPTH_MAX ? r->places[r->depth] : PLACE_OTHER;
}

/* What a callback returns: 0 ends the reading. */
static int note(struct rspamd_answer *r, int code)
{
    r->code = code;
    return code == 0;
}

static char *copy_text(struct rspamd_answer *r, const unsigned char *text, size_t size)
{
    return rspamd_copy_text(r->result->arena, text, size, RSPAMD_TEXT_MAX);
}

/* ---- Symbols and fields ---- */

static bool is_virus(const struct scan_config *config, const char *name)
{
    for (size_t i = 0; i < config->virus_symbol_count; i++)
        if (strcmp(config->virus_symbols[i], name) == 0)
            return true;
    return false;
}

/* NULL: no memory. A name so long as not to fit into a line (X-Virus) is cut. */
static const char *copy_virus(struct rspamd_answer *r, const struct scan_symbol *symbol)
{
    bool named = symbol->option_count > 0 && *symbol->options[0];
    const char *name = named ? symbol->options[0] : symbol->name;
    return rspamd_copy_text(r->result->arena, (const unsigned char *)name, strlen(name),
                            RSPAMD_WORD_MAX);
}

static int grow_symbols(struct rspamd_answer *r)
{
    struct scan_result *result = r->result;
    if (result->symbol_count < r->symbol_capacity)
        return 0;
    size_t capacity = r->symbol_capacity ? 2 * r->symbol_capacity : 32;
    struct scan_symbol *grown = arena_alloc(result->arena, capacity * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    if (result->symbol_count > 0)
        memcpy(grown, result->symbols, result->symbol_count * sizeof *grown);
    result->symbols = grown;
    r->symbol_capacity = capacity;
    return 0;
}

static int end_symbol(struct rspamd_answer *r)
{
    struct scan_result *result = r->result;
    struct scan_symbol *symbol = &r->symbol;
    size_t size = symbol->option_count * sizeof *symbol->options;
    symbol->options = arena_alloc(result->arena, size + 1);
    if (!symbol->options || grow_symbols(r) != 0)
        return -ENOMEM;
    memcpy(symbol->options, r->options, size);
    if (!result->virus && is_virus(r->config, symbol->name) &&
        !(result->virus = copy_virus(r, symbol)))
        return -ENOMEM;
    result->symbols[result->symbol_count++] = *symbol;
    return 0;
}

static int add_option(struct rspamd_answer *r, const unsigned char *text, size_t size)
{
    if (r->symbol.option_count == RSPAMD_OPTIONS_MAX)
        return 0;
    const char *option = copy_text(r, text, size);
    if (option)
        r->options[r->symbol.option_count++] = option;
    return option ? 0 : -ENOMEM;
}

static int add_field(struct rspamd_answer *r, const unsigned char *value, size_t size)
{
    if (!r->name || r->added.count >= RSPAMD_FIELDS_MAX)
        return 0;
    char *text = copy_text(r, value, size);
    if (!text)
        return -ENOMEM;
    rspamd_end_before_long_word(text);
    return header_list_append(&r->added, r->name, text, strlen(text));
}

static int add_removed(struct rspamd_answer *r, const unsigned char *name, size_t size)
{
    struct scan_result *result = r->result;
    if (!result->removed)
        result->removed = arena_alloc(result->arena, RSPAMD_FIELDS_MAX * sizeof *result->removed);
    if (!result->removed)
        return -ENOMEM;
    const char *copy = result->removed_count < RSPAMD_FIELDS_MAX
                           ? rspamd_copy_name(r->result->arena, name, size)
                           : NULL;
    if (copy && strcasecmp(copy, "Received") != 0) /* RFC 5321 section 4.4, and loops end by them */
        result->removed[result->removed_count++] = copy;
    return 0;
}

/* ---- Events ---- */

static enum member member_of(enum place in, const unsigned char *text, size_t size)
{
    for (const struct name *name = names[in]; name->text; name++)
        if (name->size == size && memcmp(name->text, text, size) == 0)
            return name->member;
    return MEMBER_OTHER;
}

static int on_key(void *context, const unsigned char *name, size_t size)
{
    struct rspamd_answer *r = context;
    enum place place = place_of(r);
    if (place == PLACE_SYMBOLS)
        r->name = rspamd_copy_name(r->result->arena, name, size);
    else if (place == PLACE_ADDED)
        r->name = provenance_writes((const char *)name, size)
                      ? NULL
                      : rspamd_copy_name(r->result->arena, name, size);
    else if (place == PLACE_REMOVED)
        return note(r, add_removed(r, name, size));
    else
        r->member = member_of(place, name, size);
    return 1;
}

/* The place that an object is, by where it stands. */
static enum place object_place(const struct rspamd_answer *r)
{
    switch (place_of(r)) {
    case PLACE_DOCUMENT: return PLACE_ANSWER;
    case PLACE_ANSWER:
        return r->member == MEMBER_SYMBOLS                        ? PLACE_SYMBOLS
               : r->member == MEMBER_MESSAGES                     ? PLACE_MESSAGES
               : r->member == MEMBER_MILTER && r->config->headers ? PLACE_MILTER
                                                                  : PLACE_OTHER;
    case PLACE_SYMBOLS:
        return r->name && r->result->symbol_count < RSPAMD_SYMBOLS_MAX ? PLACE_SYMBOL : PLACE_OTHER;
    case PLACE_MILTER:
        return r->member == MEMBER_REMOVED ? PLACE_REMOVED
               : r->member == MEMBER_ADDED ? PLACE_ADDED
                                           : PLACE_OTHER;
    case PLACE_ADDED:
    case PLACE_FIELDS: return PLACE_FIELD;
    default: return PLACE_OTHER;
    }
}

static enum place array_place(const struct rspamd_answer *r)
{
    enum place place = place_of(r);
    if (place == PLACE_SYMBOL && r->member == MEMBER_OPTIONS)
        return PLACE_OPTIONS;
    return place == PLACE_ADDED ? PLACE_FIELDS : PLACE_OTHER;
}

static int enter(struct rspamd_answer *r, enum place place)
{
    if (++r->depth > LEVELS_MAX)
        return note(r, -EBADMSG);
    if (r->depth < DEPTH_MAX)
        r->places[r->depth] = place;
    r->member = MEMBER_OTHER;
    return 1;
}

static int on_object(void *context)
{
    struct rspamd_answer *r = context;
    enum place place = object_place(r);
    if (place == PLACE_SYMBOL)
        r->symbol = (struct scan_symbol){.name = r->name};
    return enter(r, place);
}

static int on_array(void *context)
{
    return enter(context, array_place(context));
}

static int on_end(void *context)
{
    struct rspamd_answer *r = context;
    enum place place = place_of(r);
    r->depth--;
    r->member = MEMBER_OTHER;
    return place == PLACE_SYMBOL ? note(r, end_symbol(r)) : 1;
}

static int on_string(void *context, const unsigned char *text, size_t size)
{
    struct rspamd_answer *r = context;
    enum place place = place_of(r);
    if (r->member == MEMBER_ACTION)
        r->action = rspamd_copy_action(r->result->arena, text, size);
    else if (r->member == MEMBER_TEXT)
        return note(r, (r->result->message = copy_text(r, text, size)) ? 0 : -ENOMEM);
    else if (place == PLACE_OPTIONS)
        return note(r, add_option(r, text, size));
    else if (place == PLACE_ADDED || place == PLACE_FIELDS || r->member == MEMBER_VALUE)
        return note(r, add_field(r, text, size));
    return 1;
}

static int on_number(void *context, const char *text, size_t size)
{
    struct rspamd_answer *r = context;
    double *number = r->member == MEMBER_REQUIRED  ? &r->required
                     : r->member != MEMBER_SCORE   ? NULL
                     : place_of(r) == PLACE_ANSWER ? &r->score
                                                   : &r->symbol.score;
    if (!number)
        return 1;
    *number = rspamd_read_number(text, size);
    if (number == &r->symbol.score && isnan(*number))
        *number = 0;
    return 1;
}

static const yajl_callbacks callbacks = {
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_object,
    .yajl_map_key = on_key,
    .yajl_end_map = on_end,
    .yajl_start_array = on_array,
    .yajl_end_array = on_end,
};

/* ---- The whole ---- */

static int conclude(struct rspamd_answer *r)
{
    struct scan_result *result = r->result;
    if (!r->action || isnan(r->score) || isnan(r->required))
        return -EBADMSG;
    result->action = r->action;
    result->score = r->score;
    result->required = r->required;
    result->spam = strcmp(r->action, "add header") == 0 ||
                   strcmp(r->action, "rewrite subject") == 0 || strcmp(r->action, "reject") == 0;
    int code = scan_result_write_fields(result);
    for (size_t i = 0; i < r->added.count && code == 0; i++) {
        const struct header *field = &r->added.items[i];
        if (result->fields.count < RSPAMD_FIELDS_MAX)
            code =
                header_list_append(&result->fields, field->name, field->value, field->value_size);
    }
    return code;
}

struct rspamd_answer *rspamd_answer_new(const struct scan_config *config,
                                        struct scan_result *result)
{
    struct rspamd_answer *r = arena_alloc(result->arena, sizeof *r);
    if (!r)
        return NULL;
    *r = (struct rspamd_answer){.config = config, .result = result, .score = NAN, .required = NAN};
    r->places[0] = PLACE_DOCUMENT;
    r->parser = yajl_alloc(&callbacks, NULL, r);
    if (!r->parser)
        return NULL;
    yajl_config(r->parser, yajl_allow_trailing_garbage, 1);
    yajl_config(r->parser, yajl_dont_validate_strings, 1);
    return r;
}

static void parse_piece(struct rspamd_answer *r)
{
    const unsigned char *bytes = (const unsigned char *)r->piece.bytes;
    if (r->code == 0 && yajl_parse(r->parser, bytes, r->piece.size) != yajl_status_ok &&
        r->code == 0)
        r->code = -EBADMSG;
    r->piece.size = 0;
}

bool rspamd_answer_read(struct rspamd_answer *r, const char *bytes, size_t size)
{
    if (size > RSPAMD_ANSWER_MAX - r->size)
        return false;
    r->size += size;
    if (r->code == 0)
        r->code = buffer_append(&r->piece, bytes, size);
    if (r->piece.size >= PIECE_MIN)
        parse_piece(r);
    return true;
}

int rspamd_answer_end(struct rspamd_answer *r)
{
    parse_piece(r);
    if (r->code == 0 && yajl_complete_parse(r->parser) != yajl_status_ok)
        r->code = -EBADMSG;
    return r->code == 0 ? conclude(r) : r->code;
}

void rspamd_answer_free(struct rspamd_answer *r)
{
    if (!r)
        return;
    yajl_free(r->parser);
    buffer_free(&r->piece);
    header_list_free(&r->added);
}
