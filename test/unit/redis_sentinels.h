/* Sentinels of the test's own: real ones, and one that says what the test wants. */
#ifndef MUSTER_TEST_REDIS_SENTINELS_H
#define MUSTER_TEST_REDIS_SENTINELS_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "test/unit/redis_server.h"

enum { FAKE_CONNECTIONS = 16 };

/* A socket bound to a free port of 127.0.0.1. */
static inline int bound_socket(unsigned *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (bind(fd, (struct sockaddr *)&a, n) || getsockname(fd, (struct sockaddr *)&a, &n))
        abort();
    *port = ntohs(a.sin_port);
    return fd;
}

static inline unsigned free_port(void)
{
    unsigned port;

    close(bound_socket(&port));
    return port;
}

/* A real one */

struct real_sentinel {
    char folder[64];
    unsigned port;
    pid_t pid;
};

/* It watches the master "main" on 127.0.0.1; more: further lines of its configuration. */
static inline void real_sentinel_start(struct real_sentinel *s, unsigned master_port,
                                       unsigned quorum, const char *more)
{
    char path[96], log[96];
    FILE *f;

    strcpy(s->folder, "/tmp/muster-sentinel-XXXXXX");
    if (!mkdtemp(s->folder))
        abort();
    s->port = free_port();
    snprintf(path, sizeof path, "%s/conf", s->folder);
    snprintf(log, sizeof log, "%s/log", s->folder);
    f = fopen(path, "w");
    fprintf(f,
            "port %u\nbind 127.0.0.1\ndir %s\nlogfile %s\n"
            "sentinel monitor main 127.0.0.1 %u %u\n"
            "sentinel down-after-milliseconds main 500\n"
            "sentinel failover-timeout main 3000\n%s",
            s->port, s->folder, log, master_port, quorum, more);
    fclose(f);
    s->pid = fork();
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp("redis-server", "redis-server", path, "--sentinel", (char *)NULL);
        _exit(127);
    }
}

static inline void real_sentinel_end(struct real_sentinel *s)
{
    static const char *const files[] = {"conf", "log"};
    char path[96];

    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", s->folder, files[i]);
        unlink(path);
    }
    rmdir(s->folder);
}

/* Waits until it is there and, where asked, knows a replica. */
static inline void real_sentinel_await(const struct real_sentinel *s, bool replica)
{
    for (int i = 0; i < 500; i++, usleep(20000)) {
        redisContext *c = redisConnect("127.0.0.1", (int)s->port);
        redisReply *r = c && !c->err ? redisCommand(c, "SENTINEL REPLICAS main") : NULL;
        bool good = r && r->type == REDIS_REPLY_ARRAY && (r->elements > 0 || !replica);

        if (r)
            freeReplyObject(r);
        if (c)
            redisFree(c);
        if (good)
            return;
    }
    fprintf(stderr, "the sentinel doesn't start\n");
    abort();
}

/* One that says what it is told to */

struct fake_sentinel {
    unsigned port;
    int listener;
    pthread_t thread;
    pthread_mutex_t lock;
    char host[64]; /* the master's, and so on; under the lock */
    unsigned master_port;
    unsigned epoch;
    bool forbids_master; /* SENTINEL MASTER is refused by its ACL */
    bool hangs_up;       /* 5 ms after it has said the address */
    atomic_bool stop, is_silent;
    /* Its answer to whatever comes, sentinel's commands or not; NULL: what is asked. */
    _Atomic(const char *) text;
    struct {
        int fd; /* -1: none */
        redisReader *reader;
    } v[FAKE_CONNECTIONS];
};

static inline void fake_sentinel_say(struct fake_sentinel *s, const char *host,
                                     unsigned port, unsigned epoch)
{
    pthread_mutex_lock(&s->lock);
    snprintf(s->host, sizeof s->host, "%s", host);
    s->master_port = port;
    s->epoch = epoch;
    pthread_mutex_unlock(&s->lock);
}

static inline void fake_hang_up(struct fake_sentinel *s, int i)
{
    close(s->v[i].fd);
    redisReaderFree(s->v[i].reader);
    s->v[i].fd = -1;
}

static inline void fake_answer(struct fake_sentinel *s, int fd, const redisReply *r)
{
    char text[256], port[16], epoch[16];
    int n;

    pthread_mutex_lock(&s->lock);
    snprintf(port, sizeof port, "%u", s->master_port);
    snprintf(epoch, sizeof epoch, "%u", s->epoch);
    if (r->elements == 3 && strcmp(r->element[1]->str, "MASTER") != 0)
        n = snprintf(text, sizeof text, "*2\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n",
                     strlen(s->host), s->host, strlen(port), port);
    else if (s->forbids_master)
        n = snprintf(text, sizeof text, "-NOPERM no permissions\r\n");
    else
        n = snprintf(text, sizeof text,
                     "*4\r\n$4\r\nname\r\n$4\r\nmain\r\n"
                     "$12\r\nconfig-epoch\r\n$%zu\r\n%s\r\n",
                     strlen(epoch), epoch);
    pthread_mutex_unlock(&s->lock);
    if (write(fd, text, (size_t)n) != n)
        fprintf(stderr, "the fake sentinel can't write\n");
}

static inline void fake_read(struct fake_sentinel *s, int i)
{
    char bytes[4096];
    ssize_t n = read(s->v[i].fd, bytes, sizeof bytes);
    const char *text = atomic_load(&s->text);
    void *reply = NULL;

    if (n <= 0) {
        fake_hang_up(s, i);
        return;
    }
    if (text) {
        usleep(5000); /* it waits for it by then */
        if (write(s->v[i].fd, text, strlen(text)) < 0)
            fprintf(stderr, "the fake sentinel can't write\n");
        return;
    }
    redisReaderFeed(s->v[i].reader, bytes, (size_t)n);
    while (redisReaderGetReply(s->v[i].reader, &reply) == REDIS_OK && reply) {
        if (!atomic_load(&s->is_silent))
            fake_answer(s, s->v[i].fd, reply);
        freeReplyObject(reply);
    }
    if (s->hangs_up) {
        usleep(5000);
        fake_hang_up(s, i);
    }
}

static inline void fake_accept(struct fake_sentinel *s)
{
    for (int i = 0; i < FAKE_CONNECTIONS; i++)
        if (s->v[i].fd < 0) {
            s->v[i].fd = accept(s->listener, NULL, NULL);
            s->v[i].reader = redisReaderCreate();
            return;
        }
}

static inline void *fake_run(void *arg)
{
    struct fake_sentinel *s = arg;

    while (!atomic_load(&s->stop)) {
        struct pollfd fds[1 + FAKE_CONNECTIONS] = {{s->listener, POLLIN, 0}};

        for (int i = 0; i < FAKE_CONNECTIONS; i++)
            fds[1 + i] = (struct pollfd){s->v[i].fd, POLLIN, 0};
        poll(fds, 1 + FAKE_CONNECTIONS, 20);
        if (fds[0].revents)
            fake_accept(s);
        for (int i = 0; i < FAKE_CONNECTIONS; i++)
            if (fds[1 + i].revents)
                fake_read(s, i);
    }
    return NULL;
}

static inline void fake_sentinel_start(struct fake_sentinel *s)
{
    memset(s, 0, sizeof *s);
    s->listener = bound_socket(&s->port);
    listen(s->listener, 8);
    pthread_mutex_init(&s->lock, NULL);
    for (int i = 0; i < FAKE_CONNECTIONS; i++)
        s->v[i].fd = -1;
    pthread_create(&s->thread, NULL, fake_run, s);
}

static inline void fake_sentinel_end(struct fake_sentinel *s)
{
    atomic_store(&s->stop, true);
    pthread_join(s->thread, NULL);
    for (int i = 0; i < FAKE_CONNECTIONS; i++)
        if (s->v[i].fd >= 0) {
            close(s->v[i].fd);
            redisReaderFree(s->v[i].reader);
        }
    close(s->listener);
    pthread_mutex_destroy(&s->lock);
}

#endif
