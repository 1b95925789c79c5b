/* The command line: muster [--config FILE] [--check] [--version] [--help], or muster sign
 * (sign.h). Exit status 0 after an orderly end, 1 when the node could not start, 2 for a
 * wrong option or configuration. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "server/base/log.h"
#include "server/node.h"
#include "server/sign.h"
#include "server/version.h"

enum { EXIT_START = 1, EXIT_USAGE = 2 };

struct options {
    const char *config;
    bool check;
    bool done; /* --help or --version has printed all there is */
};

static void print_help(void)
{
    puts("Usage: muster [--config FILE] [--check] [--version] [--help]\n"
         "       muster sign --help    signs a request to the HTTP API, for curl\n"
         "\n"
         "Serves the Pusher Channels protocol: realtime messages and presence.\n"
         "\n"
         "  -c, --config FILE  read this configuration (libconfig or JSON); without it "
         "the\n"
         "                     first of ./muster.cfg, ./config/config.json and\n"
         "                     /etc/muster/muster.cfg; without any, loopback and a demo "
         "app\n"
         "  -t, --check        read the configuration, say what is wrong or `ok`, and "
         "exit\n"
         "  -v, --version      print the version and exit\n"
         "  -h, --help         print this and exit\n"
         "\n"
         "Configuration keys (each also as MUSTER_... in the environment):\n");
    conf_print_keys(stdout);
}

/* False: a wrong option; it was said on standard error. */
static bool read_options(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, 't'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "c:tvh", known, NULL)) != -1) {
        if (option == 'c') {
            o->config = optarg;
        } else if (option == 't') {
            o->check = true;
        } else if (option == 'v' || option == 'h') {
            if (option == 'h')
                print_help();
            else
                puts("muster " MUSTER_VERSION);
            o->done = true;
            return true;
        } else {
            fputs("muster: see muster --help\n", stderr);
            return false;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "muster: unexpected argument %s; see muster --help\n",
                argv[optind]);
        return false;
    }
    return true;
}

/* Threads inherit the mask, so that only the main thread takes these, in sigwait. */
static void block_signals(sigset_t *ends)
{
    sigemptyset(ends);
    sigaddset(ends, SIGTERM);
    sigaddset(ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, ends, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* The start was given up for a signal, if there is one. */
static bool was_to_end(const sigset_t *ends)
{
    static const struct timespec now = {0, 0};
    int signal_number = sigtimedwait(ends, NULL, &now);

    if (signal_number > 0)
        log_info("node.signal", "signal=%s", strsignal(signal_number));
    return signal_number > 0;
}

static int serve(const struct conf *conf)
{
    struct node *node;
    sigset_t ends;
    int signal_number = 0;

    block_signals(&ends);
    if (node_start(&node, conf))
        return was_to_end(&ends) ? EXIT_SUCCESS : EXIT_START;
    sigwait(&ends, &signal_number);
    log_info("node.signal", "signal=%s", strsignal(signal_number));
    node_stop(node); /* wrappers pass one signal on twice: a second one changes nothing */
    return EXIT_SUCCESS;
}

static void log_start(const struct conf *conf)
{
    log_info("node.starting", "version=%s pid=%d config=%s", MUSTER_VERSION,
             (int)getpid(), conf->source ? conf->source : "none");
    if (conf->demo)
        log_warn("demo.on", "hint=%s",
                 "/pusher/auth signs whatever it is asked to: never use demo = true in "
                 "earnest");
}

int main(int argc, char **argv)
{
    struct options o = {0};
    struct buf problems = BUF_INIT;
    struct conf *conf;
    enum err err;
    int status;

    if (argc > 1 && strcmp(argv[1], "sign") == 0)
        return sign_main(argc - 1, argv + 1);
    if (!read_options(&o, argc, argv))
        return EXIT_USAGE;
    if (o.done)
        return EXIT_SUCCESS;
    err = conf_load(&conf, o.config, environ, &problems);
    fputs(buf_cstr(&problems), stderr);
    buf_fini(&problems);
    if (err)
        return EXIT_USAGE;
    log_setup((enum log_level)conf->log_level, (enum log_form)conf->log_form);
    if (conf->missing) {
        fputs(conf->missing, stderr);
        status = EXIT_USAGE;
    } else if (o.check) {
        puts("ok");
        status = EXIT_SUCCESS;
    } else {
        log_start(conf);
        status = serve(conf);
    }
    conf_free(conf);
    return status;
}
