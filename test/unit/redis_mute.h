/* A way to Redis on which what comes back on pub/sub can be held back: to the link it is
 * as a socket that carries nothing any more, and whose other end is alive. */
#ifndef MUSTER_TEST_REDIS_MUTE_H
#define MUSTER_TEST_REDIS_MUTE_H

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MUTE_PAIRS = 16 };

struct mute {
    const char *to;
    char path[96];
    int listener;
    pthread_t thread;
    atomic_bool is_mute, stop;
    struct mute_pair {
        int client, server; /* -1: none */
        bool pubsub;
    } pairs[MUTE_PAIRS];
};

static inline int mute_socket(const char *path, bool listens)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    if (listens ? bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 8)
                : connect(fd, (struct sockaddr *)&a, sizeof a))
        abort();
    return fd;
}

static inline void mute_close(struct mute_pair *p)
{
    close(p->client);
    close(p->server);
    p->client = p->server = -1;
}

static inline void mute_accept(struct mute *m)
{
    for (struct mute_pair *p = m->pairs; p < m->pairs + MUTE_PAIRS; p++)
        if (p->client < 0) {
            *p = (struct mute_pair){accept(m->listener, NULL, NULL),
                                    mute_socket(m->to, false), false};
            return;
        }
}

/* False: the end. */
static inline bool mute_copy(struct mute_pair *p, int from, int to)
{
    char bytes[65536];
    ssize_t n = read(from, bytes, sizeof bytes);

    if (n <= 0)
        return false;
    if (memmem(bytes, (size_t)n, "\r\nSUBSCRIBE\r\n", 13))
        p->pubsub = true;
    return write(to, bytes, (size_t)n) == n;
}

static inline void mute_turn(struct mute *m)
{
    struct pollfd fds[1 + 2 * MUTE_PAIRS] = {{m->listener, POLLIN, 0}};

    for (int i = 0; i < MUTE_PAIRS; i++) {
        const struct mute_pair *p = &m->pairs[i];
        bool held = atomic_load(&m->is_mute) && p->pubsub;

        fds[1 + 2 * i] = (struct pollfd){p->client, POLLIN, 0};
        fds[2 + 2 * i] = (struct pollfd){held ? -1 : p->server, POLLIN, 0};
    }
    poll(fds, 1 + 2 * MUTE_PAIRS, 20);
    if (fds[0].revents)
        mute_accept(m);
    for (int i = 0; i < MUTE_PAIRS; i++) {
        struct mute_pair *p = &m->pairs[i];

        if ((fds[1 + 2 * i].revents && !mute_copy(p, p->client, p->server)) ||
            (fds[2 + 2 * i].revents && !mute_copy(p, p->server, p->client)))
            mute_close(p);
    }
}

static inline void *mute_run(void *arg)
{
    struct mute *m = arg;

    while (!atomic_load(&m->stop))
        mute_turn(m);
    return NULL;
}

static inline void mute_start(struct mute *m, const char *to)
{
    m->to = to;
    snprintf(m->path, sizeof m->path, "%s.mute", to);
    m->listener = mute_socket(m->path, true);
    atomic_init(&m->is_mute, false);
    atomic_init(&m->stop, false);
    for (int i = 0; i < MUTE_PAIRS; i++)
        m->pairs[i] = (struct mute_pair){-1, -1, false};
    pthread_create(&m->thread, NULL, mute_run, m);
}

static inline void mute_end(struct mute *m)
{
    atomic_store(&m->stop, true);
    pthread_join(m->thread, NULL);
    for (int i = 0; i < MUTE_PAIRS; i++)
        if (m->pairs[i].client >= 0)
            mute_close(&m->pairs[i]);
    close(m->listener);
    unlink(m->path);
}

#endif
