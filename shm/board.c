/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows on the board, and the last words of a process that dies of a bug. The handlers of the fatal
 * signals run on a stack of their own and call nothing that allocates or locks: what they need
 * (where each module was loaded, the unwinder) is prepared by board_catch(). Text first, backtrace
 * afterwards: if the stack is too broken to unwind, the kernel ends the process and the first part
 * has been left already. Addresses are offsets into the file, as addr2line wants them.
 */
#include "shm/board.h"
#include "shm/assert.h"
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

_Static_assert(sizeof(struct board_row_shm) == 1152, "layout");
_Static_assert(offsetof(struct board_shm, rows) == 64, "layout");

enum { BOARD_FRAMES = 32, BOARD_MODULES = 32, BOARD_STACK = 65536, BOARD_PATIENCE = 3 };

struct board_module {
    uintptr_t base, end;
    char name[24];
};

static struct board_context {
    struct board_row_shm *row; /* NULL: this process has none, words go to standard error */
    struct board_module modules[BOARD_MODULES];
    size_t modules_n;
    char stack[BOARD_STACK];
} board_self;

/* --- rows ------------------------------------------------------------------------------ */

bool board_make(struct zone *zone)
{
    uint64_t size = 128 + sizeof(struct board_shm);
    if (!region_make(zone, ZONE_BOARD, BOARD_VERSION, "board", size))
        return false;
    atomic_store(&board_of(zone)->started, (int64_t)time(NULL));
    return true;
}

struct board_shm *board_of(const struct zone *zone)
{
    return region_body(zone);
}

static uint64_t board_now(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

void board_assign(struct board_shm *board, int slot, uint32_t role, uint32_t index,
                  uint64_t generation)
{
    struct board_row_shm *row;
    uint64_t now = board_now();

    if (slot < 0 || slot >= BOARD_SLOTS)
        return;
    row = &board->rows[slot];
    atomic_store(&row->pid, 0);
    atomic_store(&row->role, role);
    atomic_store(&row->index, index);
    atomic_store(&row->generation, generation);
    atomic_store(&row->started, now);
    atomic_store(&row->beat, now);
    atomic_store(&row->connections, 0);
    atomic_store(&row->streams, 0);
    row->doing[0] = '\0';
    memset(row->words, 0, sizeof row->words);
    atomic_store(&row->state, BOARD_STARTING);
}

int board_claim(struct board_shm *board, uint32_t role, uint32_t index, uint64_t generation)
{
    for (int slot = 0; slot < BOARD_SLOTS; slot++) {
        if (atomic_load(&board->rows[slot].state) == BOARD_FREE) {
            board_assign(board, slot, role, index, generation);
            return slot;
        }
    }
    return -1;
}

void board_release(struct board_shm *board, int slot)
{
    if (slot < 0 || slot >= BOARD_SLOTS)
        return;
    atomic_store(&board->rows[slot].pid, 0);
    atomic_store(&board->rows[slot].connections, 0);
    atomic_store(&board->rows[slot].streams, 0);
    atomic_store(&board->rows[slot].state, BOARD_FREE);
}

void board_doing(struct board_row_shm *row, const char *what)
{
    size_t n = 0;
    while (n < BOARD_DOING - 1 && what[n])
        n++;
    memcpy(row->doing, what, n);
    row->doing[n] = '\0';
}

void board_words(const struct board_shm *board, int slot, char *out, size_t size)
{
    size_t n = 0;
    const volatile char *words;

    if (size == 0)
        return;
    out[0] = '\0';
    if (slot < 0 || slot >= BOARD_SLOTS)
        return;
    words = board->rows[slot].words;
    for (; n < size - 1 && n < BOARD_WORDS; n++) {
        char c = words[n];
        if (c == '\0')
            break;
        out[n] = c >= 0x20 && c < 0x7f ? c : '?';
    }
    out[n] = '\0';
}

/* --- last words: everything below may run inside a signal handler ---------------------- */

struct board_text {
    char *p;
    size_t n, size;
};

static void board_put(struct board_text *t, const char *text)
{
    while (*text && t->n + 1 < t->size)
        t->p[t->n++] = *text++;
    t->p[t->n] = '\0';
}

static void board_put_number(struct board_text *t, uintptr_t value, unsigned base)
{
    char digits[24];
    size_t i = sizeof digits;

    digits[--i] = '\0';
    do {
        digits[--i] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value > 0);
    board_put(t, base == 16 ? "0x" : "");
    board_put(t, digits + i);
}

static void board_put_address(struct board_text *t, uintptr_t address)
{
    board_put(t, " ");
    for (size_t i = 0; i < board_self.modules_n; i++) {
        const struct board_module *m = &board_self.modules[i];
        if (address >= m->base && address < m->end) {
            board_put(t, m->name);
            board_put(t, "+");
            board_put_number(t, address - m->base, 16);
            return;
        }
    }
    board_put_number(t, address, 16);
}

static const char *board_signal(int sig)
{
    switch (sig) {
    case SIGSEGV:
        return "SIGSEGV";
    case SIGBUS:
        return "SIGBUS";
    case SIGILL:
        return "SIGILL";
    case SIGFPE:
        return "SIGFPE";
    case SIGABRT:
        return "SIGABRT";
    case SIGSYS:
        return "SIGSYS";
    default:
        return "signal";
    }
}

static uintptr_t board_counter(const void *context)
{
    const ucontext_t *u = context;
#if defined(__x86_64__)
    return (uintptr_t)u->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)u->uc_mcontext.pc;
#else
    (void)u;
    return 0;
#endif
}

/* Frames from the one that was interrupted on; those of the handler itself say nothing. */
static void board_put_frames(struct board_text *t, uintptr_t pc)
{
    void *frames[BOARD_FRAMES];
    int n = backtrace(frames, BOARD_FRAMES), first = 0;

    while (first < n && (uintptr_t)frames[first] != pc)
        first++;
    if (first == n) {
        first = 0;
        if (pc)
            board_put_address(t, pc);
    }
    for (int i = first; i < n; i++)
        board_put_address(t, (uintptr_t)frames[i]);
}

/* Where the words go: after those that an assertion left, if any. */
static struct board_text board_paper(char *spare, size_t spare_size)
{
    struct board_text t = { spare, 0, spare_size };
    if (board_self.row)
        t = (struct board_text){ board_self.row->words, 0, BOARD_WORDS };
    t.n = strnlen(t.p, t.size - 1);
    if (t.n > 0)
        board_put(&t, "; ");
    return t;
}

static void board_put_doing(struct board_text *t)
{
    char doing[BOARD_DOING];

    if (!board_self.row || board_self.row->doing[0] == '\0')
        return;
    memcpy(doing, board_self.row->doing, sizeof doing);
    doing[BOARD_DOING - 1] = '\0';
    board_put(t, " while ");
    board_put(t, doing);
}

static void board_say(const struct board_text *t, size_t from)
{
    ssize_t ignored;
    if (board_self.row)
        return;
    ignored = write(STDERR_FILENO, t->p + from, t->n - from);
    ignored = write(STDERR_FILENO, "\n", 1);
    (void)ignored;
}

static void board_handler(int sig, siginfo_t *info, void *context)
{
    static char spare[BOARD_WORDS];
    struct board_text t = board_paper(spare, sizeof spare);
    size_t from = t.n;

    (void)alarm(BOARD_PATIENCE); /* should the unwinder hang, SIGALRM ends it */
    board_put(&t, board_signal(sig));
    if (info->si_code > 0 && sig != SIGSYS) { /* the kernel found a fault */
        board_put(&t, " at ");
        board_put_number(&t, (uintptr_t)info->si_addr, 16);
    } else if (info->si_code <= 0 && info->si_pid != getpid()) {
        board_put(&t, " sent by process ");
        board_put_number(&t, (uintptr_t)info->si_pid, 10);
    }
    board_put_doing(&t);
    board_put(&t, ", backtrace:");
    board_put_frames(&t, board_counter(context));
    board_say(&t, from);
    (void)raise(sig); /* blocked here; kills at return: SA_RESETHAND has brought the default back */
}

_Noreturn void board_fail(const char *file, int line, const char *expression)
{
    static char spare[BOARD_WORDS];
    struct board_text t = board_paper(spare, sizeof spare);
    size_t from = t.n;

    board_put(&t, file);
    board_put(&t, ":");
    board_put_number(&t, (uintptr_t)line, 10);
    board_put(&t, ": assertion failed: ");
    board_put(&t, expression);
    board_say(&t, from);
    abort();
}

/* --- preparation ----------------------------------------------------------------------- */

static int board_note_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct board_module *m;
    const char *slash, *name = info->dlpi_name;

    (void)size;
    (void)arg;
    if (board_self.modules_n == BOARD_MODULES)
        return 1;
    m = &board_self.modules[board_self.modules_n++];
    if (name == NULL || name[0] == '\0')
        name = board_self.modules_n == 1 ? program_invocation_short_name : "vdso";
    slash = strrchr(name, '/');
    strncpy(m->name, slash ? slash + 1 : name, sizeof m->name - 1);
    m->name[sizeof m->name - 1] = '\0';
    m->base = m->end = info->dlpi_addr;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t end = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
        if (info->dlpi_phdr[i].p_type == PT_LOAD && end > m->end)
            m->end = end;
    }
    return 0;
}

static void board_install(void)
{
    static const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS };
    struct sigaction action = { .sa_sigaction = board_handler,
                                .sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_RESETHAND) };
    stack_t stack = { .ss_sp = board_self.stack, .ss_size = sizeof board_self.stack };

    (void)sigemptyset(&action.sa_mask);
    (void)sigaltstack(&stack, NULL);
    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
        (void)sigaction(fatal[i], &action, NULL);
}

void board_catch(struct board_row_shm *row)
{
    void *warm[4];

    board_self.row = row;
    board_self.modules_n = 0;
    (void)dl_iterate_phdr(board_note_module, NULL);
    (void)backtrace(warm, 4); /* the first call loads the unwinder, which a handler must not do */
    board_install();
}
