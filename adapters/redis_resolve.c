/* A lookup is shared by two: the resolver, and the thread that carries it out, which may
 * outlive the resolver by as long as getaddrinfo takes. Whoever lets go of it last frees
 * it. The eventfd tells the loop that the thread is done; what the thread wrote before is
 * seen by whoever has read it. */
#include "adapters/redis_resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server/base/xalloc.h"

struct lookup {
    _Atomic unsigned holders;
    int done; /* eventfd */
    struct addresses found;
    char host[];
};

struct resolver {
    struct loop *loop;
    void (*done)(void *context, const struct addresses *a);
    void *context;
    struct lookup *lookup; /* NULL: none is under way */
    struct loop_io io;
};

static void let_go(struct lookup *l)
{
    if (atomic_fetch_sub(&l->holders, 1) > 1)
        return;
    close(l->done);
    free(l);
}

static void loopback(struct addresses *a)
{
    snprintf(a->text[a->n++], ADDRESS_SIZE, "127.0.0.1");
    snprintf(a->text[a->n++], ADDRESS_SIZE, "::1");
}

static void resolve(struct lookup *l)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found;
    int failed = getaddrinfo(l->host, NULL, &hints, &found);

    if (failed && !strcmp(l->host, "localhost")) {
        loopback(&l->found); /* this machine, though no file says so (RFC 6761, 6.3) */
        return;
    }
    if (failed) {
        snprintf(l->found.error, sizeof l->found.error, "%s",
                 failed == EAI_SYSTEM ? "system error" : gai_strerror(failed));
        return;
    }
    for (const struct addrinfo *a = found; a && l->found.n < ADDRESSES_MAX;
         a = a->ai_next)
        l->found.n += !getnameinfo(a->ai_addr, a->ai_addrlen, l->found.text[l->found.n],
                                   ADDRESS_SIZE, NULL, 0, NI_NUMERICHOST);
    freeaddrinfo(found);
    if (!l->found.n)
        snprintf(l->found.error, sizeof l->found.error, "no address");
}

static void *run(void *context)
{
    struct lookup *l = context;

    pthread_setname_np(pthread_self(), "resolve");
    resolve(l);
    eventfd_write(l->done, 1);
    let_go(l);
    return NULL;
}

static void lookup_done(void *context)
{
    struct resolver *r = context;
    struct lookup *l = r->lookup;
    eventfd_t count;

    if (eventfd_read(l->done, &count) != 0)
        return;
    loop_ignore(r->loop, &r->io);
    r->lookup = NULL;
    r->done(r->context, &l->found);
    let_go(l);
}

struct resolver *resolver_alloc(struct loop *loop,
                                void (*done)(void *context, const struct addresses *a),
                                void *context)
{
    struct resolver *r = xcalloc(1, sizeof *r);

    r->loop = loop;
    r->done = done;
    r->context = context;
    return r;
}

void resolver_free(struct resolver *r)
{
    if (r->lookup) {
        loop_ignore(r->loop, &r->io);
        let_go(r->lookup);
    }
    free(r);
}

static int start_thread(struct lookup *l)
{
    pthread_attr_t detached;
    pthread_t thread;
    int failed;

    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    failed = pthread_create(&thread, &detached, run, l);
    pthread_attr_destroy(&detached);
    return failed;
}

void resolver_start(struct resolver *r, const char *host)
{
    size_t n = strlen(host) + 1;
    struct lookup *l;

    if (r->lookup)
        return;
    l = xcalloc(1, sizeof *l + n);
    memcpy(l->host, host, n);
    atomic_init(&l->holders, 2);
    l->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->done < 0)
        abort(); /* out of descriptors: max_connections keeps some for us */
    r->lookup = l;
    loop_readable(r->loop, &r->io, l->done, lookup_done, r);
    if (start_thread(l)) {
        snprintf(l->found.error, sizeof l->found.error, "no thread for it");
        eventfd_write(l->done, 1);
        let_go(l);
    }
}
