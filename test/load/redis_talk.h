/* A word with the Redis between the nodes, by its Unix socket: inline commands, and one
 * figure of INFO that is asked for without waiting. */
#ifndef MUSTER_LOAD_REDIS_TALK_H
#define MUSTER_LOAD_REDIS_TALK_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct redis_talk {
    int fd;
    bool asked; /* for INFO; its answer hasn't come */
    size_t n;
    char text[16384];
};

static inline bool redis_talk_open(struct redis_talk *t, const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};

    *t = (struct redis_talk){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (t->fd < 0 || strlen(path) >= sizeof to.sun_path)
        return false;
    strcpy(to.sun_path, path);
    return connect(t->fd, (struct sockaddr *)&to, sizeof to) == 0;
}

static inline bool redis_talk_send(struct redis_talk *t, const char *command)
{
    t->n = 0;
    return send(t->fd, command, strlen(command), MSG_NOSIGNAL) ==
           (ssize_t)strlen(command);
}

/** Sends an inline command that is answered with one line, and waits; false where that is
 * an error. */
static inline bool redis_talk_tell(struct redis_talk *t, const char *command)
{
    if (!redis_talk_send(t, command))
        return false;
    t->n = 0;
    do {
        ssize_t got = read(t->fd, t->text + t->n, sizeof t->text - 1 - t->n);

        if (got <= 0)
            return false;
        t->n += (size_t)got;
    } while (t->text[t->n - 1] != '\n');
    return t->text[0] != '-';
}

/** The number of pub/sub channels that have subscribers, in an answer that has come
 * whole; -1: not yet. It is asked for again at once. */
static inline long redis_talk_channels(struct redis_talk *t)
{
    const char *end = "\r\n", *found;
    ssize_t got;

    if (!t->asked)
        t->asked = redis_talk_send(t, "INFO stats\r\n");
    got = recv(t->fd, t->text + t->n, sizeof t->text - 1 - t->n, MSG_DONTWAIT);
    if (got <= 0)
        return -1;
    t->n += (size_t)got;
    t->text[t->n] = 0;
    end = strstr(t->text, end);
    if (!end || t->n < (size_t)(end - t->text) + 4 + strtoul(t->text + 1, NULL, 10))
        return -1;
    t->asked = false;
    found = strstr(t->text, "\npubsub_channels:");
    return found ? strtol(found + 17, NULL, 10) : -1;
}

#endif
