/* Lines in, lines out: each command of the driver is one function here, and whatever asks
 * for a state waits for it by looking again, so that the clients go on meanwhile. */
#include "test/chaos/control.h"

#include <fcntl.h>

enum { LINE_MAX_BYTES = 4096, LOOK_MS = 20 };

struct control {
    char in[LINE_MAX_BYTES];
    size_t n;
};

struct settled control_settle(struct drive *d, bool views, unsigned ms)
{
    uint64_t began = now_ns(), looked = 0;
    struct settled s = {0};

    for (;;) {
        uint64_t now = now_ns();

        if (now - looked >= LOOK_MS * NS_PER_MS) {
            looked = now;
            s.rest = truth_difference(&d->crowd);
            s.ms = (unsigned)((now - began) / NS_PER_MS);
            if (s.rest.lacking)
                s.lacked = s.ms;
            if ((!s.rest.waiting && (!views || (!s.rest.ghosts && !s.rest.lacking))) ||
                now - began >= ms * NS_PER_MS)
                return s;
        }
        drive_turn(d);
    }
}

static void settle(struct drive *d, bool views, unsigned ms)
{
    struct settled s = control_settle(d, views, ms);
    struct difference rest = s.rest;

    if (rest.first)
        fprintf(stderr,
                "muster-chaos: the view of client %u (%s in %s, node %u) is wrong\n",
                rest.first->index, rest.first->user->text, rest.first->room->text,
                rest.first->node);
    printf("{\"ms\":%u,\"lacked\":%u,\"waiting\":%u,\"ghosts\":%u,\"lacking\":%u}\n",
           s.ms, s.lacked, rest.waiting, rest.ghosts, rest.lacking);
}

static void print_room(const struct crowd *c, const struct room *r)
{
    const char *comma = "";
    unsigned subscriptions = 0;

    printf("{\"room\":\"%s\",\"users\":[", r->text);
    for (unsigned k = 0; k < c->users; k++) {
        if (r->users[k].in == 0)
            continue;
        printf("%s\"%s\"", comma, r->users[k].text);
        comma = ",";
    }
    for (unsigned k = 0; k < c->per_room; k++)
        subscriptions += c->members[r->first + k].state == MEMBER_IN;
    printf("],\"subscriptions\":%u}", subscriptions);
}

static void print_truth(const struct crowd *c)
{
    putchar('[');
    for (unsigned r = 0; r < c->n_rooms; r++) {
        if (r)
            putchar(',');
        print_room(c, &c->rooms[r]);
    }
    puts("]");
}

static bool about_node(struct drive *d, const char *line)
{
    unsigned i, on;
    char url[256];

    if (sscanf(line, "node %u %255s", &i, url) == 2 && i < NODES_MAX &&
        options_url(&d->nodes[i].at, url))
        d->nodes[i].open = true;
    else if (sscanf(line, "closed %u", &i) == 1 && i < NODES_MAX)
        d->nodes[i].open = false;
    else if (sscanf(line, "frozen %u %u", &i, &on) == 2 && i < NODES_MAX)
        d->nodes[i].frozen = on;
    else
        return false;
    return true;
}

static bool about_pace(struct drive *d, const char *line)
{
    unsigned n, on;

    if (sscanf(line, "enter %u", &n) == 1)
        drive_enter(d, n);
    else if (sscanf(line, "churn %lf", &d->churn.rate) == 1)
        return true;
    else if (sscanf(line, "events %lf", &d->events.rate) == 1)
        return true;
    else if (strcmp(line, "quiet") == 0)
        d->churn.rate = d->events.rate = 0;
    else if (sscanf(line, "tight %u", &on) == 1)
        d->tight = on;
    else if (sscanf(line, "returns %u", &d->returns) == 1)
        return true;
    else if (sscanf(line, "leave %u %u", &n, &on) == 2)
        drive_leave(d, n, on);
    else if (strcmp(line, "insist") == 0)
        drive_insist(d);
    else
        return false;
    return true;
}

static void command(struct drive *d, const char *line)
{
    unsigned ms;

    if (sscanf(line, "in %u", &ms) == 1)
        settle(d, false, ms);
    else if (sscanf(line, "heal %u", &ms) == 1)
        settle(d, true, ms);
    else if (strcmp(line, "truth") == 0)
        print_truth(&d->crowd);
    else if (strcmp(line, "report") == 0)
        record_report(&d->crowd, stdout);
    else if (about_node(d, line) || about_pace(d, line) || drive_tell(d, line))
        puts("{}");
    else
        printf("{\"error\":\"%s\"}\n", line);
    fflush(stdout);
}

/* One line: settling runs the drive by itself, so what follows waits in the pipe. */
static void on_input(struct drive *d)
{
    struct control *k = d->control;
    ssize_t got = read(STDIN_FILENO, k->in + k->n, sizeof k->in - 1 - k->n);

    if (got == 0 || k->n == sizeof k->in - 1)
        d->over = true;
    k->n += got > 0 ? (size_t)got : 0;
}

static bool next_line(struct control *k, char *out)
{
    char *end = memchr(k->in, '\n', k->n);
    size_t n = end ? (size_t)(end - k->in) : 0;

    if (!end)
        return false;
    memcpy(out, k->in, n);
    out[n] = 0;
    k->n -= n + 1;
    memmove(k->in, end + 1, k->n);
    return true;
}

void control_run(struct drive *d)
{
    struct control k = {0};
    char line[LINE_MAX_BYTES];

    d->control = &k;
    d->input = on_input;
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    conns_input(&d->conns, STDIN_FILENO);
    while (!d->over) {
        drive_turn(d);
        while (!d->over && next_line(&k, line)) {
            if (strcmp(line, "quit") == 0)
                d->over = true;
            else
                command(d, line);
        }
    }
}
