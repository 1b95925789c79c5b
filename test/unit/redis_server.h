/* A redis-server (or MUSTER_TEST_REDIS) of the test's own, on a socket in a folder of its
 * own, ended with the test whatever happens to it; and plain synchronous commands to it.
 */
#ifndef MUSTER_TEST_REDIS_SERVER_H
#define MUSTER_TEST_REDIS_SERVER_H

#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct redis_server {
    char folder[64], socket[80];
    pid_t pid;
    unsigned port; /* 0: only the socket */
    redisContext *control;
};

static inline const char *redis_server_program(void)
{
    const char *other = getenv("MUSTER_TEST_REDIS");

    return other && *other ? other : "redis-server";
}

static inline void redis_server_exec(const struct redis_server *s, const char *more)
{
    char command[1024];

    snprintf(command, sizeof command,
             "exec %s --port %u --bind 127.0.0.1 --unixsocket %s --dir %s "
             "--save '' --appendonly no --logfile %s/log %s",
             redis_server_program(), s->port, s->socket, s->folder, s->folder, more);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

/* Starts it (again) and waits until it answers. */
static inline void redis_server_run(struct redis_server *s, const char *more)
{
    s->pid = fork();
    if (s->pid == 0)
        redis_server_exec(s, more);
    for (int i = 0; i < 500; i++) {
        s->control = redisConnectUnix(s->socket);
        if (s->control && !s->control->err)
            return;
        redisFree(s->control);
        s->control = NULL;
        usleep(10000);
    }
    fprintf(stderr, "%s doesn't start\n", redis_server_program());
    abort();
}

static inline void redis_server_start(struct redis_server *s, const char *more)
{
    *s = (struct redis_server){.port = 0};
    strcpy(s->folder, "/tmp/muster-redis-XXXXXX");
    if (!mkdtemp(s->folder))
        abort();
    snprintf(s->socket, sizeof s->socket, "%s/socket", s->folder);
    redis_server_run(s, more);
}

static inline void redis_server_kill(struct redis_server *s)
{
    redisFree(s->control);
    s->control = NULL;
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    unlink(s->socket);
}

static inline void redis_server_end(struct redis_server *s)
{
    static const char *const files[] = {"log", "cert", "key", "dump.rdb"};
    char path[128];

    redis_server_kill(s);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", s->folder, files[i]);
        unlink(path);
    }
    rmdir(s->folder);
}

/* Makes folder's cert and key, signed by itself, for that name ("DNS:…", "IP:…"). */
static inline void redis_server_certify(const char *folder, const char *name)
{
    char command[512];

    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
             "-days 2 -subj /CN=test -addext subjectAltName=%s "
             "-keyout %s/key -out %s/cert 2>/dev/null",
             name, folder, folder);
    if (system(command) != 0)
        abort();
}

/* The answer (freeReplyObject). */
static inline redisReply *redis_server_ask(struct redis_server *s, const char *format,
                                           ...)
{
    va_list args;
    redisReply *r;

    va_start(args, format);
    r = redisvCommand(s->control, format, args);
    va_end(args);
    if (!r) {
        fprintf(stderr, "redis: %s\n", s->control->errstr);
        abort();
    }
    return r;
}

#endif
