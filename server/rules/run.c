/* run.c - the rules of one recipient, from msg to verdict. */
#include "ruleset.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/metrics.h"
#include "answer.h"
#include "engine.h"
#include "handle.h"
#include "msg.h"

#define TRACEBACK_SIZE 3072

struct pass {
    const struct rules_input *input;
    struct run run;
    struct error wrong; /* what the deciding rule returned instead of an answer */
    bool is_wrong, decided;
    const char *timed; /* a rule of the file whose time counts; NULL: none */
    int64_t since_us;
};

static size_t file_size(const char *rule)
{
    return strcspn(rule, ":");
}

#define FILE_SIZE 128

/* The file's name alone: "10-alias.lua:3" has a line. */
static void copy_file(char file[FILE_SIZE], const char *rule)
{
    size_t size = file_size(rule);
    if (size > FILE_SIZE - 1)
        size = FILE_SIZE - 1;
    memcpy(file, rule, size);
    file[size] = 0;
}

/* `rule` is about to be asked; NULL: none any more. */
static void count_time(struct pass *pass, const char *rule)
{
    char file[FILE_SIZE];
    if (pass->timed && rule && file_size(pass->timed) == file_size(rule) &&
        memcmp(pass->timed, rule, file_size(rule)) == 0)
        return;
    int64_t now_us = clock_monotonic_us();
    if (pass->timed && !pass->input->trial) {
        copy_file(file, pass->timed);
        metric_add(METRIC_RULE_SECONDS_TOTAL, now_us - pass->since_us, file);
    }
    pass->timed = rule;
    pass->since_us = now_us;
}

static void trace(const struct pass *pass, enum answer_kind kind, size_t first)
{
    char text[1024];
    if (!pass->input->trace)
        return;
    answer_describe(kind, pass->run.verdict, first, text, sizeof text);
    pass->input->trace(pass->input->trace_context, pass->run.rule, text);
}

/* One rule: true where no further one is asked. */
static bool ask_rule(lua_State *L, struct pass *pass)
{
    struct verdict *verdict = pass->run.verdict;
    size_t first = verdict->destination_count;
    lua_pushvalue(L, 2);
    lua_call(L, 1, 1);
    enum answer_kind kind = answer_read(L, lua_gettop(L), verdict, &pass->wrong);
    trace(pass, kind, first);
    if (kind == ANSWER_ALSO)
        verdict->also = pass->run.rule;
    verdict->asked++;
    if (kind == ANSWER_NONE || kind == ANSWER_ALSO)
        return false;
    pass->is_wrong = kind == ANSWER_WRONG;
    pass->decided = true;
    return true;
}

static int run_rules(lua_State *L)
{
    struct pass *pass = lua_touserdata(L, 1);
    msg_push(L);
    lua_getfield(L, LUA_REGISTRYINDEX, ENGINE_RULES);
    lua_getfield(L, LUA_REGISTRYINDEX, ENGINE_NAMES);
    size_t count = lua_objlen(L, 3);
    for (size_t i = pass->run.verdict->asked + 1; i <= count; i++) {
        lua_rawgeti(L, 4, (int)i);
        pass->run.rule = lua_tostring(L, -1); /* kept by the list */
        count_time(pass, pass->run.rule);
        lua_rawgeti(L, 3, (int)i);
        if (ask_rule(L, pass))
            break;
        lua_settop(L, 4);
    }
    return 0;
}

static struct verdict *new_verdict(const struct rules_input *input)
{
    struct verdict *verdict = calloc(1, sizeof *verdict);
    if (!verdict)
        return NULL;
    verdict->text = verdict->rule = "";
    verdict->arena = arena_new();
    if (!verdict->arena || header_list_copy(&verdict->headers, input->headers) != 0) {
        verdict_free(verdict);
        return NULL;
    }
    return verdict;
}

static void name_rule(struct verdict *verdict, const char *rule)
{
    const char *copy = arena_strdup(verdict->arena, rule);
    verdict->rule = copy ? copy : "";
}

static void count_failure(const struct pass *pass, const char *text)
{
    char file[FILE_SIZE];
    copy_file(file, pass->run.rule);
    metric_add(METRIC_RULE_ERRORS_TOTAL, 1, file,
               strstr(text, "went over the time limit")     ? "time"
               : strstr(text, "went over the memory limit") ? "memory"
                                                            : "error");
}

/* The first line: a traceback is for the log. */
static void trace_error(const struct pass *pass, const char *text)
{
    char line[1024];
    if (!pass->input->trace)
        return;
    snprintf(line, sizeof line, "error: %.*s", (int)strcspn(text, "\n"), text);
    pass->input->trace(pass->input->trace_context, pass->run.rule, line);
}

static void fail(struct pass *pass, const char *text)
{
    struct verdict *verdict = pass->run.verdict;
    trace_error(pass, text);
    if (!pass->input->trial) { /* whose answer tells it, and whose id nobody knows */
        count_failure(pass, text);
        log_limited(LOG_ERROR, "rule-failed", pass->input->transaction->id,
                    LOG_TEXT("rule", pass->run.rule), LOG_TEXT("recipient", pass->input->recipient),
                    LOG_TEXT("error", text));
    }
    verdict->kind = VERDICT_DEFER;
    verdict->text = "";
    verdict->destination_count = 0;
}

static void count_answer(const struct verdict *verdict)
{
    char file[FILE_SIZE];
    copy_file(file, verdict->rule);
    if (*file)
        metric_add(METRIC_RULE_ANSWERS_TOTAL, 1, file);
}

static void conclude(struct pass *pass)
{
    struct verdict *verdict = pass->run.verdict;
    /* route.also() before: its destinations stand, but where the sender is told "not taken". */
    if (verdict->kind == VERDICT_REJECT || verdict->kind == VERDICT_DEFER)
        verdict->destination_count = 0;
    else if (verdict->destination_count > 0)
        verdict->kind = VERDICT_DELIVER;
    if (pass->input->trial)
        return;
    log_held("ruled", pass->input->transaction->id, LOG_TEXT("recipient", pass->input->recipient),
             LOG_TEXT("verdict", verdict_name(verdict->kind)), LOG_TEXT("rule", verdict->rule),
             LOG_NUMBER("destinations", verdict->destination_count));
}

/* A rule that hoards in an upvalue leaves a state that can do nothing more: it is made anew from
 * the sources. Where that fails the old one stays, and its runs are deferred. */
static void renew_if_full(struct ruleset *ruleset, size_t index)
{
    struct state *old = ruleset->states[index], *new;
    struct error err = {""};
    int64_t start = clock_monotonic_us();
    if (old->used < ruleset->config.memory_limit / 4 * 3 || start < old->stays_until_us)
        return;
    int code = engine_load_state(ruleset, &new, &err);
    /* loading may take long, and a rule may hoard for each message: it gets a share of the time */
    int64_t now = clock_monotonic_us(), pause_us = (now - start) * RULES_RENEWAL_SHARE;
    (code == 0 ? new : old)->stays_until_us = now + pause_us;
    log_warn("rules-state-renewed", NULL, LOG_NUMBER("state", index),
             LOG_NUMBER("bytes", old->used), LOG_TEXT("error", code != 0 ? err.text : "none"));
    if (code != 0)
        return;
    ruleset->states[index] = new;
    state_free(old);
}

/* Not the rule's fault, nor anybody's here. */
static void defer_unknown(struct pass *pass)
{
    struct verdict *verdict = pass->run.verdict;
    log_limited(LOG_WARN, "lookup-unknown", pass->input->transaction->id,
                LOG_TEXT("rule", pass->run.rule), LOG_TEXT("recipient", pass->input->recipient));
    verdict->kind = VERDICT_DEFER;
    verdict->text = RULESET_UNKNOWN_TEXT;
    verdict->enhanced = RULESET_UNKNOWN_ENHANCED;
    verdict->destination_count = 0;
    pass->decided = true;
}

/* What running them came to; `text`: the error, where there was one. */
static void judge(struct pass *pass, const struct state *state, int code, char *text, size_t size)
{
    if (state->stop == STATE_STOP_UNKNOWN) {
        defer_unknown(pass);
    } else if (code != 0) {
        fail(pass, text);
    } else if (pass->is_wrong) {
        snprintf(text, size, "returned what is not a destination: %s", pass->wrong.text);
        fail(pass, text);
    }
    struct verdict *verdict = pass->run.verdict;
    if (code != 0 || pass->decided)
        name_rule(verdict, pass->run.rule);
    else if (verdict->also)
        name_rule(verdict, verdict->also);
    conclude(pass);
    if (verdict->reshaped) /* its list is kept until it is rendered */
        verdict->reshaped_bytes += verdict->headers.count * sizeof *verdict->headers.items;
    if (!pass->input->trial)
        count_answer(verdict);
}

static void end_run(struct ruleset *ruleset, size_t index, bool trial, int64_t began_us)
{
    struct state *state = ruleset->states[index];
    if (!trial)
        metric_observe(METRIC_RULES_DURATION, (double)(clock_monotonic_us() - began_us) / 1e6);
    state->log_id = NULL;
    state_end(state);
    renew_if_full(ruleset, index);
}

/* The names of rules live in a state, and the run may go on in another. Headers that no rule has changed are not kept:
 * many recipients may wait at once. */
static int keep_for_later(struct verdict *verdict)
{
    verdict->waits = true;
    if (!verdict->reshaped)
        header_list_free(&verdict->headers);
    if (!verdict->also)
        return -EAGAIN;
    verdict->also = arena_strdup(verdict->arena, verdict->also);
    return verdict->also ? -EAGAIN : -ENOMEM;
}

/* A verdict to go on with, or a new one. */
static int begin_run(const struct rules_input *input, struct verdict **verdict)
{
    if (!*verdict) {
        *verdict = new_verdict(input);
        return *verdict ? 0 : -ENOMEM;
    }
    (*verdict)->waits = false;
    return (*verdict)->reshaped ? 0 : header_list_copy(&(*verdict)->headers, input->headers);
}

int ruleset_run(struct ruleset *ruleset, size_t index, const struct rules_input *input,
                struct verdict **out)
{
    struct state *state = ruleset->states[index];
    struct pass pass = {.input = input};
    char text[TRACEBACK_SIZE];
    if (begin_run(input, out) != 0)
        return -ENOMEM;
    pass.run = (struct run){input, *out, (*out)->reshaped_bytes, ruleset->config.text_limit, ""};
    int64_t began_us = clock_monotonic_us();
    state_begin(state, ruleset->config.time_limit_ms);
    state->run = &pass.run;
    state->questions = input->questions;
    state->log_id = input->transaction->id;
    int code = state_call(state, run_rules, &pass, text, sizeof text);
    count_time(&pass, NULL);
    bool asks = state->stop == STATE_STOP_ASKS;
    if (asks)
        code = keep_for_later(*out);
    else
        judge(&pass, state, code, text, sizeof text);
    end_run(ruleset, index, input->trial, began_us);
    return asks ? code : 0;
}

struct inquiry {
    const char *recipient;
    bool served;
};

static int ask_aliases(lua_State *L)
{
    struct inquiry *inquiry = lua_touserdata(L, 1);
    lua_getfield(L, LUA_REGISTRYINDEX, ENGINE_SERVES);
    size_t count = lua_objlen(L, 2);
    for (size_t i = 1; i <= count && !inquiry->served; i++) {
        lua_rawgeti(L, 2, (int)i);
        lua_pushstring(L, inquiry->recipient);
        lua_call(L, 1, 1);
        inquiry->served = lua_toboolean(L, -1);
        lua_settop(L, 2);
    }
    return 0;
}

enum ruleset_lookup ruleset_look_up(const struct ruleset *ruleset, const char *recipient)
{
    if (!ruleset->only_aliases || recipients_has(&ruleset->recipients, recipient))
        return RULESET_YES;
    return ruleset->recipients.patterns ? RULESET_ASK : RULESET_NO;
}

enum ruleset_lookup ruleset_ask(struct ruleset *ruleset, size_t index, const char *recipient,
                                struct questions *questions)
{
    struct state *state = ruleset->states[index];
    struct inquiry inquiry = {recipient, false};
    char text[TRACEBACK_SIZE];
    if (!ruleset->only_aliases)
        return RULESET_YES;
    state_begin(state, ruleset->config.time_limit_ms);
    state->questions = questions;
    int code = state_call(state, ask_aliases, &inquiry, text, sizeof text);
    enum state_stop stop = state->stop;
    state_end(state);
    if (stop == STATE_STOP_ASKS)
        return RULESET_ASK;
    if (stop == STATE_STOP_UNKNOWN)
        return RULESET_UNKNOWN;
    if (code == 0)
        return inquiry.served ? RULESET_YES : RULESET_NO;
    log_error("rule-failed", NULL, LOG_TEXT("recipient", recipient), LOG_TEXT("error", text));
    return RULESET_YES; /* the end of DATA decides */
}
