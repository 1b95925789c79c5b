#include "server/http_stats.h"

#include "server/stats.h"

struct status {
    unsigned status;
    const char *label;
};

static const struct status statuses[HTTP_STATUSES] = {
    {200, "200"}, {204, "204"}, {400, "400"}, {401, "401"}, {403, "403"}, {404, "404"},
    {405, "405"}, {411, "411"}, {413, "413"}, {429, "429"}, {503, "503"}, {0, "other"},
};

struct bucket {
    uint64_t us; /* and less */
    const char *label;
};

static const struct bucket buckets[HTTP_TIMES] = {
    {100, "0.0001"},      {250, "0.00025"}, {500, "0.0005"}, {1000, "0.001"},
    {2500, "0.0025"},     {5000, "0.005"},  {10000, "0.01"}, {25000, "0.025"},
    {50000, "0.05"},      {100000, "0.1"},  {500000, "0.5"}, {2500000, "2.5"},
    {UINT64_MAX, "+Inf"},
};

void http_stats_count(struct http_stats *s, unsigned status, uint64_t us)
{
    unsigned at = 0, bucket = 0;

    while (at < HTTP_STATUSES - 1 && statuses[at].status != status)
        at++;
    while (us > buckets[bucket].us)
        bucket++;
    stat_add(s, by_status[at], 1);
    stat_add(s, by_time[bucket], 1);
    stat_add(s, us, us);
}

const char *http_status_label(unsigned place)
{
    return statuses[place].label;
}

const char *http_time_label(unsigned place)
{
    return buckets[place].label;
}
