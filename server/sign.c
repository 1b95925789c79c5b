/* The arguments become an api_request, protocol/api_signer.h signs it. The secret may
 * come from the environment, since every user of a machine can read a command line. The
 * body is only hashed: curl sends it. */
#include "server/sign.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "protocol/api_signer.h"

enum { EXIT_BODY = 1, EXIT_USAGE = 2 };
enum { BODY_MAX = 64 << 20 }; /* bytes; the most that max_http_body_kb can be */

struct arguments {
    const char *key, *secret, *body;
    const char *method, *path, *query; /* query: NULL without one */
    int64_t timestamp;
    bool help;
};

static void print_help(void)
{
    puts("Usage: muster sign --key KEY --secret SECRET METHOD PATH [QUERY]\n"
         "                   [--body FILE] [--timestamp SECONDS]\n"
         "\n"
         "Prints PATH?QUERY, signed for the HTTP API, to be put behind the host's name:\n"
         "\n"
         "  curl \"http://localhost:6001$(muster sign --key KEY --secret SECRET \\\n"
         "      GET /apps/ID/channels info=subscription_count)\"\n"
         "\n"
         "  --key KEY              the app's key\n"
         "  --secret SECRET        the app's secret\n"
         "  --secret-from-env VAR  take the secret from this variable: others on the\n"
         "                         machine can read a command line\n"
         "  --body FILE            what the request will carry, byte for byte; - is the\n"
         "                         standard input (curl needs --data-binary then)\n"
         "  --timestamp SECONDS    sign for this time (since 1970) in place of now\n"
         "  -h, --help             print this and exit\n"
         "\n"
         "PATH is signed as it stands: escape it as the URL will have it. QUERY may be\n"
         "escaped or not.");
}

static bool wrong(const char *text, const char *what)
{
    fprintf(stderr, "muster sign: %s%s; see muster sign --help\n", text, what);
    return false;
}

static bool take_timestamp(struct arguments *a, const char *text)
{
    char *end;

    errno = 0;
    a->timestamp = strtoll(text, &end, 10);
    return (*text >= '0' && *text <= '9' && !*end && !errno) ||
           wrong("--timestamp must be seconds since 1970, not ", text);
}

static bool take_variable(struct arguments *a, const char *name)
{
    a->secret = getenv(name);
    return a->secret || wrong("--secret-from-env: there is no variable ", name);
}

static bool take_option(struct arguments *a, int letter)
{
    switch (letter) {
    case 'k':
        a->key = optarg;
        return true;
    case 's':
        a->secret = optarg;
        return true;
    case 'e':
        return take_variable(a, optarg);
    case 'b':
        a->body = optarg;
        return true;
    case 't':
        return take_timestamp(a, optarg);
    case 'h':
        a->help = true;
        return true;
    default:
        fputs("muster sign: see muster sign --help\n", stderr);
        return false; /* getopt has said what is wrong */
    }
}

static bool is_method(const char *s)
{
    return *s && strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(s);
}

/* A path as it stands in a URL: no byte that would have to be escaped there. */
static bool is_path(const char *s)
{
    if (*s != '/')
        return false;
    for (; *s; s++) {
        if (*s <= ' ' || *s > '~' || strchr("\"#<>?\\^`{|}", *s))
            return false;
    }
    return true;
}

static bool check(const struct arguments *a)
{
    if (!a->key || !*a->key)
        return wrong("--key is missing", "");
    if (!a->secret || !*a->secret)
        return wrong("--secret (or --secret-from-env) is missing", "");
    if (!a->method || !a->path)
        return wrong("METHOD and PATH are missing", "");
    if (!is_method(a->method))
        return wrong("METHOD must be capital letters, such as GET or POST, not ",
                     a->method);
    if (strchr(a->path, '?'))
        return wrong("QUERY is an argument of its own, without the ?, behind PATH", "");
    if (!is_path(a->path))
        return wrong("PATH must begin with / and be escaped as in a URL, unlike ",
                     a->path);
    return true;
}

static bool read_arguments(struct arguments *a, int argc, char **argv)
{
    static const struct option known[] = {
        {"key", required_argument, NULL, 'k'},
        {"secret", required_argument, NULL, 's'},
        {"secret-from-env", required_argument, NULL, 'e'},
        {"body", required_argument, NULL, 'b'},
        {"timestamp", required_argument, NULL, 't'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int letter;

    while ((letter = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        if (!take_option(a, letter))
            return false;
        if (a->help)
            return true;
    }
    if (argc - optind > 3)
        return wrong("unexpected argument ", argv[optind + 3]);
    a->method = optind < argc ? argv[optind] : NULL;
    a->path = optind + 1 < argc ? argv[optind + 1] : NULL;
    a->query = optind + 2 < argc ? argv[optind + 2] : NULL;
    return check(a);
}

/* All of the file, or false and errno. */
static bool read_all(struct buf *out, FILE *from)
{
    size_t got;

    while ((got = fread(buf_reserve(out, 1 << 16), 1, 1 << 16, from)) > 0) {
        out->n += got;
        if (out->n > BODY_MAX) {
            errno = EFBIG;
            return false;
        }
    }
    return !ferror(from);
}

static bool read_body(struct buf *out, const char *name)
{
    bool standard = strcmp(name, "-") == 0;
    FILE *from = standard ? stdin : fopen(name, "rbe");
    bool ok = from && read_all(out, from);

    if (!ok)
        fprintf(stderr, "muster sign: --body %s: %s\n", name, strerror(errno));
    if (from && !standard)
        fclose(from);
    return ok;
}

static int print_signed(const struct arguments *a, struct slice body)
{
    struct api_request r = {
        .method = slice_of(a->method), .path = slice_of(a->path), .body = body};
    struct api_credentials app = {slice_of(a->key), slice_of(a->secret)};
    struct buf out = BUF_INIT;
    int status = EXIT_SUCCESS;

    if (api_sign_query(&out, &r, slice_of(a->query), &app, a->timestamp)) {
        wrong("QUERY is too long, has too many parameters or one that signing adds", "");
        status = EXIT_USAGE;
    } else {
        printf("%s?%s\n", a->path, buf_cstr(&out));
    }
    buf_fini(&out);
    return status;
}

int sign_main(int argc, char **argv)
{
    struct arguments a = {.timestamp = time(NULL)};
    struct buf body = BUF_INIT;
    int status = EXIT_BODY;

    if (!read_arguments(&a, argc, argv))
        return EXIT_USAGE;
    if (a.help) {
        print_help();
        return EXIT_SUCCESS;
    }
    if (!a.body || read_body(&body, a.body))
        status = print_signed(&a, buf_slice(&body));
    buf_fini(&body);
    return status;
}
