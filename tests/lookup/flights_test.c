/* Who waits for what, with sources and a clock that are the test's: what is asked once and for how long an answer counts,
 * what becomes of a question that nobody answers, and of one whose source goes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"
#include "lookup/lookup.h"
#include "lookup/source.h"

#include "../captured_log.h"
#include "../failing_memory.h"
#include "../test.h"

/* ---- The clock, and the configuration's references ---- */

static _Atomic int64_t now = 1000000;
static atomic_int references;

int64_t __wrap_clock_monotonic_ms(void);
struct config *__wrap_config_ref(struct config *config);
void __wrap_config_unref(struct config *config);

int64_t __wrap_clock_monotonic_ms(void)
{
    return now;
}

struct config *__wrap_config_ref(struct config *config)
{
    references++;
    return config;
}

void __wrap_config_unref(struct config *config)
{
    (void)config;
    references--;
}

/* ---- A source that does as it is told ---- */

enum does { FINDS, HAS_NONE, FAILS, GUESSES, HOLDS };

static enum does does;           /* what is asked from now on */
static atomic_int asked, opened; /* so far */
static bool opens_not, lingers;  /* when it is closed, what it holds stays so */
static struct flight *held;
static struct lookup_room *room;

static int open_source(struct source *s)
{
    room = s->room;
    opened++;
    return opens_not ? -ENOMEM : 0;
}

static void answer(struct flight *flight, enum does how)
{
    flight->unkept = how == GUESSES;
    if (how == FINDS)
        source_answered(flight,
                        lookup_answer_new(LOOKUP_FOUND, flight->address, strlen(flight->address)),
                        NULL);
    else if (how == FAILS)
        source_answered(flight, NULL, "it is ill");
    else
        source_answered(flight, lookup_answer_new(LOOKUP_NONE, NULL, 0), NULL);
}

static void ask_source(struct source *s, struct flight *flight)
{
    (void)s;
    asked++;
    if (does != HOLDS) {
        answer(flight, does);
        return;
    }
    flight->next = held;
    held = flight;
}

static void answer_held(enum does how)
{
    for (struct flight *next; held; held = next) {
        next = held->next;
        answer(held, how);
    }
}

static void close_source(struct source *s)
{
    (void)s;
    if (!lingers)
        answer_held(FAILS);
}

static bool lacks_x(struct source *s, const char *address)
{
    (void)s;
    return *address == 'x';
}

static const struct source_kind plain = {"http", open_source, ask_source, NULL, close_source},
                                knowing = {"postgres", open_source, ask_source, lacks_x,
                                           close_source};
static const struct source_kind *const kinds[] = {
    [LOOKUP_HTTP] = &plain, [LOOKUP_POSTGRES] = &knowing};

/* ---- Helpers ---- */

static struct lookup_config two[] = {
    {.kind = LOOKUP_HTTP,
     .name = "app",
     .wait_ms = 60000,
     .ttl_ms = 1000,
     .negative_ttl_ms = 100,
     .stale_ms = 5000,
     .max_entries = 100000},
    {.kind = LOOKUP_POSTGRES, .name = "app", .wait_ms = 60000, .ttl_ms = 1000, .max_entries = 10}};
static struct config config = {.lookups = two, .lookup_count = 2};

struct call {
    struct task task;
    bool releases;
    enum does how;
    uv_sem_t done;
};

static void run_call(struct task *task, void *context)
{
    struct call *call = (struct call *)task;
    (void)context;
    if (call->releases)
        answer_held(call->how);
    uv_sem_post(&call->done);
}

/* On the room's thread, behind all that it has been given so far. */
static void call(bool releases, enum does how)
{
    struct call call = {.task.run = run_call, .releases = releases, .how = how};
    uv_sem_init(&call.done, 0);
    loop_queue_push(room->queue, &call.task);
    uv_sem_wait(&call.done);
    uv_sem_destroy(&call.done);
}

static void release(enum does how)
{
    call(true, how);
}

static void settle(void)
{
    call(false, FAILS);
}

static void configure(const struct config *c)
{
    struct error err;
    assert_int_equal(lookup_configure(c, kinds, &err), 0);
    settle();
}

static int start(void **state)
{
    struct error err;
    (void)state;
    does = FINDS;
    lingers = opens_not = false;
    asked = opened = 0;
    room = NULL;
    assert_int_equal(lookup_configure(&config, kinds, &err), 0);
    while (opened < 2)
        usleep(1000);
    settle();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    lookup_stop();
    assert_int_equal(references, 0); /* so that each source has gone */
    return 0;
}

/* What is answered: its text, "none" or "unknown"; by whom it was said counts as `result`. */
static void assert_says(enum lookup_kind kind, const char *source, const char *address,
                        const char *expected, const char *result)
{
    struct questions questions = {0};
    const struct lookup_answer *found;
    double before = metric_value(METRIC_LOOKUPS_TOTAL, source, result),
           all = metric_sum(METRIC_LOOKUPS_TOTAL);
    int code = questions_get(&questions, kind, source, address, &found);
    if (code == -EAGAIN)
        assert_int_equal(lookup_wait(&questions), 0);
    assert_int_equal(questions_get(&questions, kind, source, address, &found), 0);
    assert_string_equal(found->status == LOOKUP_FOUND  ? found->text
                        : found->status == LOOKUP_NONE ? "none"
                                                       : "unknown",
                        expected);
    assert_true(metric_value(METRIC_LOOKUPS_TOTAL, source, result) == before + 1);
    assert_true(metric_sum(METRIC_LOOKUPS_TOTAL) == all + 1);
    questions_free(&questions);
}

#define SAYS(address, expected, result) assert_says(LOOKUP_HTTP, "app", address, expected, result)

/* ---- Tests ---- */

static void an_answer_counts_for_so_long(void **state)
{
    (void)state;
    SAYS("a@b", "a@b", "found");
    now += 999;
    SAYS("a@b", "a@b", "cached");
    assert_int_equal(asked, 1);
    now += 1;
    SAYS("a@b", "a@b", "found");
    assert_int_equal(asked, 2);
    does = HAS_NONE;
    SAYS("c@b", "none", "none");
    now += 99;
    SAYS("c@b", "none", "cached");
    now += 1;
    SAYS("c@b", "none", "none");
    assert_int_equal(asked, 4);
}

/* What it said before, for so long after it was fresh; and that it failed is said with the reason. */
static void a_source_that_fails(void **state)
{
    (void)state;
    SAYS("a@b", "a@b", "found");
    does = FAILS;
    now += 1000;
    CAPTURE(SAYS("a@b", "a@b", "stale"));
    assert_string_equal(after_time(), "warn lookup source=app address=a@b error=\"it is ill\"\n");
    now += 4999;
    SAYS("a@b", "a@b", "stale");
    now += 1;
    SAYS("a@b", "unknown", "unknown");
    does = FINDS;
    SAYS("a@b", "a@b", "found");
    assert_says(LOOKUP_HTTP, "other", "a@b", "unknown", "unknown"); /* of that name there is none */
}

static void what_is_not_worth_keeping_is_not(void **state)
{
    (void)state;
    does = GUESSES;
    SAYS("a@b", "none", "none");
    SAYS("a@b", "none", "none");
    assert_int_equal(asked, 2);
}

/* Without asking; and of two kinds with one name each is itself. */
static void what_a_source_knows_to_lack(void **state)
{
    (void)state;
    assert_says(LOOKUP_POSTGRES, "app", "x@b", "none", "cached");
    assert_int_equal(asked, 0);
    assert_says(LOOKUP_POSTGRES, "app", "a@b", "a@b", "found");
    SAYS("x@b", "x@b", "found");
    assert_int_equal(asked, 2);
    assert_says(LOOKUP_POSTGRES, "app", "a@b", "a@b", "cached");
}

/* ---- Several ---- */

struct asker {
    struct questions questions;
    uv_sem_t done;
};

static void post(void *context)
{
    uv_sem_post(context);
}

static void begin(struct asker *asker, const char *const *addresses, size_t count)
{
    const struct lookup_answer *none;
    *asker = (struct asker){0};
    uv_sem_init(&asker->done, 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(questions_get(&asker->questions, LOOKUP_HTTP, "app", addresses[i], &none),
                         -EAGAIN);
    assert_int_equal(lookup_ask(&asker->questions, post, &asker->done), 0);
}

static void end(struct asker *asker)
{
    questions_free(&asker->questions);
    uv_sem_destroy(&asker->done);
}

static void who_asks_the_same_waits_along(void **state)
{
    static const char *const addresses[] = {"a@b", "c@b", "d@b"};
    struct asker askers[3];
    (void)state;
    does = HOLDS;
    begin(&askers[0], addresses, 2);
    begin(&askers[1], addresses + 1, 2);
    begin(&askers[2], addresses, 1);
    settle();
    assert_int_equal(asked, 3);
    for (int i = 0; i < 3; i++)
        assert_int_not_equal(uv_sem_trywait(&askers[i].done), 0);
    double found = metric_value(METRIC_LOOKUPS_TOTAL, "app", "found");
    release(FINDS);
    for (int i = 0; i < 3; i++) {
        uv_sem_wait(&askers[i].done);
        for (size_t k = 0; k < askers[i].questions.count; k++)
            assert_string_equal(askers[i].questions.items[k].answer->text,
                                askers[i].questions.items[k].address);
        end(&askers[i]);
    }
    assert_true(metric_value(METRIC_LOOKUPS_TOTAL, "app", "found") == found + 5);
}

/* Some from what was said before, some not at all, one in time; what comes later is kept. */
static void the_time_is_over(void **state)
{
    static const char *const addresses[] = {"a@b", "c@b", "d@b"};
    struct lookup_config impatient = two[0];
    struct config c = {.lookups = &impatient, .lookup_count = 1};
    struct asker askers[2];
    (void)state;
    impatient.wait_ms = 1;
    configure(&c);
    SAYS("a@b", "a@b", "found");
    now += 1000;
    does = HOLDS;
    begin(&askers[0], addresses, 3);
    begin(&askers[1], addresses + 1, 1);
    for (int i = 0; i < 2; i++)
        uv_sem_wait(&askers[i].done);
    assert_string_equal(askers[0].questions.items[0].answer->text, "a@b");
    for (int i = 1; i < 3; i++)
        assert_int_equal(askers[0].questions.items[i].answer->status, LOOKUP_UNKNOWN);
    assert_int_equal(askers[1].questions.items[0].answer->status, LOOKUP_UNKNOWN);
    end(&askers[0]);
    end(&askers[1]);
    int before = asked;
    release(FINDS);
    SAYS("a@b", "a@b", "cached");
    SAYS("c@b", "c@b", "cached");
    SAYS("d@b", "d@b", "cached");
    assert_int_equal(asked, before);
}

/* More than so many are answered at once, with nothing. */
static void so_many_at_once_and_no_more(void **state)
{
    enum { EACH = 4000, MOST = LOOKUP_MAX_FLIGHTS / EACH };
    static struct asker askers[MOST];
    static char texts[LOOKUP_MAX_FLIGHTS][16];
    static const char *addresses[LOOKUP_MAX_FLIGHTS];
    (void)state;
    for (int i = 0; i < LOOKUP_MAX_FLIGHTS; i++) {
        snprintf(texts[i], sizeof texts[i], "%d@b", i);
        addresses[i] = texts[i];
    }
    does = HOLDS;
    for (int i = 0; i < MOST; i++)
        begin(&askers[i], addresses + i * EACH, i == MOST - 1 ? EACH - 1 : EACH);
    settle();
    assert_int_equal(asked, LOOKUP_MAX_FLIGHTS - 1);
    does = FINDS;
    SAYS("one more@b", "one more@b", "found");
    struct asker last;
    does = HOLDS;
    begin(&last, addresses + LOOKUP_MAX_FLIGHTS - 1, 1);
    SAYS("too many@b", "unknown", "unknown");
    release(HAS_NONE);
    uv_sem_wait(&last.done);
    assert_int_equal(last.questions.items[0].answer->status, LOOKUP_NONE);
    end(&last);
    for (int i = 0; i < MOST; i++) {
        uv_sem_wait(&askers[i].done);
        assert_int_equal(askers[i].questions.items[EACH - 2].answer->status, LOOKUP_NONE);
        end(&askers[i]);
    }
}

/* ---- Configuring ---- */

/* One that is as it was goes on, with what it has; whatever is changed begins anew. */
static void what_makes_another_source_of_it(void **state)
{
    struct lookup_config a = two[0], b;
    struct config none = {0}, was = {.lookups = &a, .lookup_count = 1}, is;
    (void)state;
    a.url = "u";
    a.secret = "s";
    a.conninfo = "c";
    a.query = "q";
    was.deliver.proxy = "p";
    for (int change = -1; change < 15; change++) {
        char url[] = "u", proxy[] = "p"; /* another copy of the same is the same */
        b = a;
        b.url = url;
        is = was;
        is.lookups = &b;
        is.deliver.proxy = proxy;
        switch (change) {
        case 0: b.wait_ms++; break;
        case 1: b.timeout_ms++; break;
        case 2: b.ttl_ms++; break;
        case 3: b.negative_ttl_ms++; break;
        case 4: b.stale_ms++; break;
        case 5: b.max_entries++; break;
        case 6: b.url = "v"; break;
        case 7: b.secret = NULL; break;
        case 8: b.secret = "t"; break;
        case 9: b.conninfo = "d"; break;
        case 10: b.query = "r"; break;
        case 11: is.deliver.deny_private = true; break;
        case 12: is.deliver.ca_file = "f"; break;
        case 13: is.deliver.proxy = "x"; break;
        case 14: is.deliver.source_address = "127.0.0.1"; break;
        }
        configure(&none);
        configure(&was);
        int before = opened;
        SAYS("a@b", "a@b", "found");
        configure(&is);
        if (opened != before + (change >= 0))
            fail_msg("change %d: %d opened", change, opened - before);
        SAYS("a@b", "a@b", change >= 0 ? "found" : "cached");
        configure(&none); /* before what it stands in goes */
    }
}

static void a_source_that_goes(void **state)
{
    static const char *const addresses[] = {"a@b", "c@b"};
    struct config none = {0};
    struct asker asker;
    (void)state;
    for (int later = 0; later < 2; later++) {
        configure(&config);
        does = HOLDS;
        lingers = later == 1;
        begin(&asker, addresses, 2);
        settle();
        configure(&none);
        if (later) {
            assert_int_not_equal(uv_sem_trywait(&asker.done), 0);
            release(FINDS);
        }
        uv_sem_wait(&asker.done);
        for (int i = 0; i < 2; i++)
            assert_int_equal(asker.questions.items[i].answer->status,
                             later ? LOOKUP_FOUND : LOOKUP_UNKNOWN);
        end(&asker);
        assert_int_equal(references, 0);
        SAYS("a@b", "unknown", "unknown");
    }
}

static void a_source_that_cannot_be_opened(void **state)
{
    struct config one = {.lookups = two, .lookup_count = 1};
    (void)state;
    opens_not = true;
    configure(&one); /* as it was: it is not opened */
    SAYS("a@b", "a@b", "found");
    CAPTURE(configure(&config));
    assert_string_equal(after_time(),
                        "error lookup source=app error=\"it cannot be begun: out of memory\"\n");
    assert_says(LOOKUP_POSTGRES, "app", "a@b", "unknown", "unknown");
    SAYS("a@b", "a@b", "cached");
}

static void without_memory(void **state)
{
    struct questions questions = {0};
    const struct lookup_answer *none;
    struct error err;
    (void)state;
    assert_int_equal(questions_get(&questions, LOOKUP_HTTP, "app", "a@b", &none), -EAGAIN);
    memory_fails_after(0);
    assert_int_equal(lookup_wait(&questions), -ENOMEM);
    assert_true(memory_has_failed());
    memory_fails_after(0);
    assert_int_equal(lookup_configure(&config, kinds, &err), -ENOMEM);
    assert_true(memory_has_failed());
    assert_string_equal(err.text, "lookups: out of memory");
    questions_free(&questions);
    SAYS("a@b", "a@b", "found");
}

/* Nothing runs where nothing is configured; who asks all the same is told. */
static void nothing_to_ask(void **state)
{
    struct config none = {0};
    struct questions questions = {0};
    const struct lookup_answer *answer_;
    struct error err;
    (void)state;
    opened = 0;
    lookup_stop();
    assert_int_equal(lookup_configure(&none, kinds, &err), 0);
    assert_int_equal(questions_get(&questions, LOOKUP_HTTP, "app", "a@b", &answer_), -EAGAIN);
    assert_int_equal(lookup_wait(&questions), -ENOMEM);
    questions_free(&questions);
    lookup_stop();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_ask),
        TEST(an_answer_counts_for_so_long),
        TEST(a_source_that_fails),
        TEST(what_is_not_worth_keeping_is_not),
        TEST(what_a_source_knows_to_lack),
        TEST(who_asks_the_same_waits_along),
        TEST(the_time_is_over),
        TEST(so_many_at_once_and_no_more),
        TEST(what_makes_another_source_of_it),
        TEST(a_source_that_goes),
        TEST(a_source_that_cannot_be_opened),
        TEST(without_memory),
    };
    return RUN_TESTS(tests);
}
