/* The thread and its letters. Whatever other threads want comes by the mailbox, what they
 * may look at is atomic; everything else is the thread's own (redis_session.h). */
#include "adapters/redis_link.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "adapters/redis_session.h"
#include "server/base/log.h"
#include "server/base/xalloc.h"

enum { TICK_MS = 250, LETTERS_MS = 5 };

enum letter_kind {
    LETTER_COMMAND,
    LETTER_SUBSCRIBE,
    LETTER_UNSUBSCRIBE,
    LETTER_FAIL,
    LETTER_TICK,
    LETTER_STOP,
};

struct names_letter {
    struct redis_letter head;
    void *owner;
    uint64_t id;
    unsigned n;
    struct slice names[REDIS_NAMES_MAX]; /* in bytes */
    char bytes[];
};

struct fail_letter {
    struct redis_letter head;
    uint64_t generation;
    char why[];
};

static void post(struct redis_link *l, struct redis_letter *letter, enum letter_kind kind)
{
    letter->kind = kind;
    mailbox_post(&l->inbox, &letter->letter);
}

static void wake(void *loop)
{
    loop_wake(loop);
}

static void subscribed(void *context, void *owner, uint64_t id, unsigned n_names)
{
    struct redis_link *l = context;

    l->sink->subscribed(l->context, l->generation, owner, id, n_names);
}

static void fail_by_letter(struct redis_link *l, const struct fail_letter *f)
{
    if (l->state != SESSION_UP || (f->generation && f->generation != l->generation))
        return;
    session_fail_by_answer(l, f->why, false);
}

static void receive(struct letter *letter, void *context)
{
    struct redis_link *l = context;
    struct redis_letter *head = (struct redis_letter *)letter;
    struct names_letter *names = (struct names_letter *)letter;

    switch ((enum letter_kind)head->kind) {
    case LETTER_COMMAND:
        traffic_send(l, (struct redis_command *)letter);
        return;
    case LETTER_SUBSCRIBE:
        redis_subs_add(l->subs, names->owner, names->id, names->names, names->n);
        break;
    case LETTER_UNSUBSCRIBE:
        redis_subs_remove(l->subs, names->owner, names->id, names->names, names->n);
        break;
    case LETTER_FAIL:
        fail_by_letter(l, (const struct fail_letter *)letter);
        break;
    case LETTER_TICK:
        atomic_store(&l->soon_posted, false);
        l->sink->tick(l->context);
        return;
    case LETTER_STOP:
        loop_stop(l->loop);
        return;
    }
    free(letter);
}

static void woken(void *context)
{
    struct redis_link *l = context;

    mailbox_receive(&l->inbox, LETTERS_MS, receive, l);
}

static void turn_ends(void *context)
{
    struct redis_link *l = context;

    session_end_turn(l);
    traffic_flush(l);
    session_end_turn(l); /* what writing showed */
    l->sink->turn(l->context);
}

struct redis_link *redis_link_alloc(const struct redis_link_conf *conf,
                                    const struct redis_keys *keys,
                                    const struct redis_link_sink *sink, void *context)
{
    static const struct redis_subs_sink subs_sink = {.subscribed = subscribed};
    struct redis_link *l = xcalloc(1, sizeof *l);

    l->conf = conf;
    l->keys = keys;
    l->sink = sink;
    l->context = context;
    l->loop = loop_alloc(woken, turn_ends, l);
    mailbox_init(&l->inbox, wake, l->loop);
    random_pool_init(&l->random);
    list_init(&l->unsent);
    list_init(&l->again);
    list_init(&l->sent);
    l->subs = redis_subs_alloc(&subs_sink, l);
    sem_init(&l->first, 0, 0);
    atomic_init(&l->last_why, "");
    redis_key_of_all(keys, "self:", &l->self);
    buf_addf(&l->self, "%016llx", (unsigned long long)random_pool_u64(&l->random));
    return l;
}

static void drain(struct redis_link *l)
{
    struct letter *next;

    for (struct letter *letter = mailbox_take(&l->inbox); letter; letter = next) {
        next = letter->next;
        receive(letter, l);
    }
}

static void *run(void *context)
{
    struct redis_link *l = context;

    pthread_setname_np(pthread_self(), "redis");
    l->ticked = l->command_proof = l->pubsub_proof = loop_now(l->loop);
    loop_every(l->loop, &l->tick, TICK_MS, session_tick, l);
    session_begin(l);
    loop_run(l->loop);
    loop_cancel(l->loop, &l->tick);
    loop_cancel(l->loop, &l->retry);
    loop_cancel(l->loop, &l->gather);
    session_close(l, "stopped");
    drain(l);
    l->sink->turn(l->context);
    return NULL;
}

static bool is_given(const char *path)
{
    return path && *path;
}

/* What can't be meant: it would be plain, or not proven, without a word. */
static const char *tls_contradiction(const struct redis_link_conf *conf)
{
    const struct tls_client_files *files = &conf->tls_files;

    if (conf->tls && *conf->unix_socket)
        return "a socket's path and TLS don't go together";
    if (!conf->tls &&
        (is_given(files->ca) || is_given(files->cert) || is_given(files->key)))
        return "tls_ca, tls_cert and tls_key are for tls = true";
    if (is_given(files->cert) != is_given(files->key))
        return "tls_cert and tls_key go together";
    return NULL;
}

static enum err prepare_tls(struct redis_link *l)
{
    const char *contradiction = tls_contradiction(l->conf);
    struct buf why = BUF_INIT;
    enum err err = ERR_NONE;

    if (contradiction) {
        log_error("redis.tls", "error=%s", contradiction);
        return ERR_INVALID;
    }
    if (l->conf->tls && redis_tls_alloc(&l->tls, &l->conf->tls_files, &why)) {
        log_error("redis.tls", "error=%s", buf_cstr(&why));
        err = ERR_INVALID;
    }
    buf_fini(&why);
    return err;
}

enum err redis_link_start(struct redis_link *l)
{
    int failed;

    if (prepare_tls(l))
        return ERR_INVALID;
    failed = pthread_create(&l->thread, NULL, run, l);
    if (failed) {
        log_error("redis.start_failed", "error=%s", strerror(failed));
        return ERR_SYSTEM;
    }
    l->is_started = true;
    return ERR_NONE;
}

enum err redis_link_await(struct redis_link *l, unsigned ms, const char **why)
{
    struct timespec until;
    int outcome;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (sem_clockwait(&l->first, CLOCK_MONOTONIC, &until) != 0 && errno == EINTR)
        ;
    outcome = atomic_load(&l->outcome);
    *why = outcome == OUTCOME_UP ? "" : atomic_load(&l->last_why);
    if (outcome == OUTCOME_NONE)
        return ERR_SYSTEM;
    return outcome == OUTCOME_UP ? ERR_NONE : ERR_INVALID;
}

void redis_link_tick(struct redis_link *l)
{
    if (!atomic_exchange(&l->soon_posted, true))
        post(l, &l->soon, LETTER_TICK);
}

void redis_link_stop(struct redis_link *l)
{
    if (!l->is_started)
        return;
    post(l, &l->stop, LETTER_STOP);
    pthread_join(l->thread, NULL);
    l->is_started = false;
}

void redis_link_free(struct redis_link *l)
{
    struct link_note *next;

    drain(l); /* of one that was never started */
    if (l->resolver)
        resolver_free(l->resolver);
    sentinels_free(l->sentinels);
    redis_tls_free(l->tls);
    redis_subs_free(l->subs);
    for (struct link_note *n = l->notes; n; n = next) {
        next = n->next;
        free(n);
    }
    sem_destroy(&l->first);
    mailbox_fini(&l->inbox);
    loop_free(l->loop);
    buf_fini(&l->scratch);
    buf_fini(&l->self);
    free(l->failing);
    free(l);
}

void redis_link_send(struct redis_link *l, struct redis_command *c)
{
    c->sent_again = false;
    post(l, &c->head, LETTER_COMMAND);
}

void redis_link_fail(struct redis_link *l, uint64_t generation, const char *why)
{
    size_t n = strlen(why) + 1;
    struct fail_letter *f = xmalloc(sizeof *f + n);

    f->generation = generation;
    memcpy(f->why, why, n);
    post(l, &f->head, LETTER_FAIL);
}

static void post_names(struct redis_link *l, enum letter_kind kind,
                       const struct names_letter *what, const struct slice *names)
{
    struct names_letter *letter;
    size_t bytes = 0;
    char *at;

    for (unsigned i = 0; i < what->n; i++)
        bytes += names[i].n;
    letter = xmalloc(sizeof *letter + bytes);
    *letter = *what;
    at = letter->bytes;
    for (unsigned i = 0; i < what->n; i++) {
        letter->names[i] = (struct slice){at, names[i].n};
        memcpy(at, names[i].p, names[i].n);
        at += names[i].n;
    }
    post(l, &letter->head, kind);
}

void redis_link_subscribe(struct redis_link *l, void *owner, uint64_t id,
                          const struct slice *names, unsigned n)
{
    post_names(l, LETTER_SUBSCRIBE,
               &(struct names_letter){.owner = owner, .id = id, .n = n}, names);
}

void redis_link_unsubscribe(struct redis_link *l, void *owner, uint64_t id,
                            const struct slice *names, unsigned n)
{
    post_names(l, LETTER_UNSUBSCRIBE,
               &(struct names_letter){.owner = owner, .id = id, .n = n}, names);
}

void redis_link_figures(const struct redis_link *l, struct redis_link_figures *f)
{
    *f = (struct redis_link_figures){
        .generation = atomic_load(&l->up_generation),
        .degraded = atomic_load(&l->is_degraded),
        .commands = atomic_load(&l->n_commands),
        .replies = atomic_load(&l->n_replies),
        .messages = atomic_load(&l->n_messages),
        .reconnects = atomic_load(&l->n_reconnects),
        .scripts_reloaded = atomic_load(&l->n_reloads),
    };
}
