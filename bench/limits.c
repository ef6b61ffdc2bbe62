/* Physical limits of this machine for array <-> bytes work: copies, page faults,
 * layout changes, page-cache files, loopback TCP.  One JSON object per line.
 *   cc -O3 -march=native -pthread limits.c -o limits && ./limits WORKDIR [quick]
 * x86-64 with AVX2 (it is a yardstick, not a portable library). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <immintrin.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAXR 25
static int R = 9;
static volatile uint64_t sink;
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec * 1e-9; }
static int cmp(const void *a, const void *b) { double x = *(double *)a, y = *(double *)b; return (x > y) - (x < y); }
static double best; /* the fastest run of the last med() */
static double med(double *v, int n) { qsort(v, n, sizeof *v, cmp); best = v[0]; return v[n / 2]; }
static void emit(const char *name, double bytes, double s) {
    printf("{\"limit\":\"%s\",\"nbytes\":%.0f,\"seconds\":%.9f,\"gbps\":%.3f,\"best_gbps\":%.3f}\n", name, bytes, s, bytes / s / 1e9, bytes / best / 1e9);
    fflush(stdout);
}
static uint8_t *map(size_t n, int huge) {
    uint8_t *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) { perror("mmap"); exit(1); }
    if (huge) madvise(p, n, MADV_HUGEPAGE);
    return p;
}

/* ---- a parallel-for over rows ---- */
typedef void (*body)(void *ctx, size_t lo, size_t hi);
struct job { body f; void *ctx; size_t lo, hi; };
static void *runjob(void *p) { struct job *j = p; j->f(j->ctx, j->lo, j->hi); return NULL; }
static void par(int threads, size_t n, size_t grain, body f, void *ctx) {
    if (threads == 1) { f(ctx, 0, n); return; }
    size_t half = (n / 2 + grain - 1) / grain * grain;
    if (half >= n) half = n / 2 / 64 * 64;
    struct job j = {f, ctx, half, n};
    pthread_t t;
    pthread_create(&t, NULL, runjob, &j);
    f(ctx, 0, half);
    pthread_join(t, NULL);
}

struct cp { uint8_t *d, *s; };
static void do_copy(void *c, size_t lo, size_t hi) { struct cp *p = c; memcpy(p->d + lo, p->s + lo, hi - lo); }
static void do_swap8(void *c, size_t lo, size_t hi) {
    struct cp *p = c; const uint64_t *s = (void *)(p->s + lo); uint64_t *d = (void *)(p->d + lo);
    for (size_t i = 0, n = (hi - lo) / 8; i < n; i++) d[i] = __builtin_bswap64(s[i]);
}

/* ---- blocked transposes: src is R x C row-major, dst is C x R row-major ---- */
struct tr { uint8_t *d, *s; size_t r, c; };
#define B 64
static void t8(double *d, const double *s, size_t R_, size_t C) { /* 4x4 doubles */
    __m256d a = _mm256_loadu_pd(s), b = _mm256_loadu_pd(s + C), c = _mm256_loadu_pd(s + 2 * C), e = _mm256_loadu_pd(s + 3 * C);
    __m256d t0 = _mm256_unpacklo_pd(a, b), t1 = _mm256_unpackhi_pd(a, b), t2 = _mm256_unpacklo_pd(c, e), t3 = _mm256_unpackhi_pd(c, e);
    _mm256_storeu_pd(d, _mm256_permute2f128_pd(t0, t2, 0x20)); _mm256_storeu_pd(d + R_, _mm256_permute2f128_pd(t1, t3, 0x20));
    _mm256_storeu_pd(d + 2 * R_, _mm256_permute2f128_pd(t0, t2, 0x31)); _mm256_storeu_pd(d + 3 * R_, _mm256_permute2f128_pd(t1, t3, 0x31));
}
static void t4(float *d, const float *s, size_t R_, size_t C) { /* 8x8 floats */
    __m256 r[8], t[8];
    for (int i = 0; i < 8; i++) r[i] = _mm256_loadu_ps(s + i * C);
    for (int i = 0; i < 4; i++) { t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]); t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]); }
    for (int i = 0; i < 2; i++) {
        r[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44); r[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xEE);
        r[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44); r[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xEE);
    }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(d + i * R_, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_storeu_ps(d + (i + 4) * R_, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}
static void t1(uint8_t *d, const uint8_t *s, size_t R_, size_t C) { /* 16x16 bytes */
    __m128i a[16], b[16];
    for (int i = 0; i < 16; i++) a[i] = _mm_loadu_si128((void *)(s + i * C));
    for (int i = 0; i < 8; i++) { b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + 8]); b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + 8]); }
    for (int i = 0; i < 8; i++) { a[2 * i] = _mm_unpacklo_epi8(b[i], b[i + 8]); a[2 * i + 1] = _mm_unpackhi_epi8(b[i], b[i + 8]); }
    for (int i = 0; i < 8; i++) { b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + 8]); b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + 8]); }
    for (int i = 0; i < 8; i++) { a[2 * i] = _mm_unpacklo_epi8(b[i], b[i + 8]); a[2 * i + 1] = _mm_unpackhi_epi8(b[i], b[i + 8]); }
    for (int i = 0; i < 16; i++) _mm_storeu_si128((void *)(d + i * R_), a[i]);
}
#define TR(NAME, T, K, KERN) \
static void NAME(void *c_, size_t lo, size_t hi) { struct tr *q = c_; size_t R_ = q->r, C = q->c; T *d = (T *)q->d; const T *s = (const T *)q->s; \
  for (size_t j = lo; j < hi; j += B) for (size_t i = 0; i < R_; i += B) { \
    size_t je = j + B < hi ? j + B : hi, ie = i + B < R_ ? i + B : R_; \
    for (size_t x = j; x < je; x += K) for (size_t y = i; y < ie; y += K) { \
      if (x + K <= je && y + K <= ie) KERN(d + x * R_ + y, s + y * C + x, R_, C); \
      else for (size_t a = x; a < x + K && a < je; a++) for (size_t b = y; b < y + K && b < ie; b++) d[a * R_ + b] = s[b * C + a]; } } }
TR(tr_f64, double, 4, t8)
TR(tr_f32, float, 8, t4)
TR(tr_u8, uint8_t, 16, t1)

static void bench_mem(size_t n, const char *lab) {
    char nm[128]; double v[MAXR];
    uint8_t *s = map(n, 1), *d = map(n, 1);
    memset(s, 7, n); memset(d, 1, n);
    int inner = n < (32u << 20) ? (int)((64u << 20) / n) : 1;
    for (int th = 1; th <= 2; th++) {
        if (n < (1 << 20) && th == 2) continue;
        struct cp c = {d, s};
        for (int r = 0; r < R; r++) { double t = now(); for (int k = 0; k < inner; k++) { par(th, n, 4096, do_copy, &c); sink += d[(size_t)k % n]; } v[r] = (now() - t) / inner; }
        snprintf(nm, 128, "memcpy %s warm %dT", lab, th); emit(nm, n, med(v, R));
    }
    if (n >= (1 << 20)) for (int th = 1; th <= 2; th++) for (int huge = 0; huge <= 1; huge++) {
        for (int r = 0; r < R; r++) { double t = now(); uint8_t *f = map(n, huge); struct cp c = {f, s}; par(th, n, 1 << 21, do_copy, &c); sink += f[n / 2]; munmap(f, n); v[r] = now() - t; }
        snprintf(nm, 128, "memcpy %s fresh%s %dT", lab, huge ? "+hugepage" : "", th); emit(nm, n, med(v, R));
    }
    munmap(s, n); munmap(d, n);
}

static void bench_layout(void) {
    struct { const char *n; body f; size_t el, r, c; } k[] = {
        {"f64 2900x2900", tr_f64, 8, 2900, 2900}, {"f64 2048x4096", tr_f64, 8, 2048, 4096},
        {"f32 4100x4100", tr_f32, 4, 4100, 4100}, {"f32 4096x4096", tr_f32, 4, 4096, 4096},
        {"u8 8200x8200", tr_u8, 1, 8200, 8200}, {"u8 8192x8192", tr_u8, 1, 8192, 8192}};
    char nm[128]; double v[MAXR];
    for (size_t i = 0; i < sizeof k / sizeof *k; i++) {
        size_t n = k[i].el * k[i].r * k[i].c;
        uint8_t *s = map(n, 1), *d = map(n, 1);
        for (size_t q = 0; q < n; q++) s[q] = (uint8_t)(q * 2654435761u >> 11);
        memset(d, 0, n);
        for (int th = 1; th <= 2; th++) {
            for (int r = 0; r < R; r++) { struct tr c = {d, s, k[i].r, k[i].c}; double t = now(); par(th, k[i].c, B, k[i].f, &c); v[r] = now() - t; }
            snprintf(nm, 128, "transpose %s warm %dT", k[i].n, th); emit(nm, n, med(v, R));
            for (int r = 0; r < R; r++) { double t = now(); uint8_t *f = map(n, 1); struct tr c = {f, s, k[i].r, k[i].c}; par(th, k[i].c, B, k[i].f, &c); munmap(f, n); v[r] = now() - t; }
            snprintf(nm, 128, "transpose %s fresh+hugepage %dT", k[i].n, th); emit(nm, n, med(v, R));
        }
        for (size_t a = 0; a < 500; a++) { size_t y = (a * 7919) % k[i].r, x = (a * 104729) % k[i].c;
            if (memcmp(d + (x * k[i].r + y) * k[i].el, s + (y * k[i].c + x) * k[i].el, k[i].el)) { fprintf(stderr, "transpose wrong\n"); exit(1); } }
        munmap(s, n); munmap(d, n);
    }
    size_t n = 64u << 20; uint8_t *s = map(n, 1); memset(s, 3, n);
    for (int th = 1; th <= 2; th++) {
        for (int r = 0; r < R; r++) { double t = now(); uint8_t *f = map(n, 1); struct cp c = {f, s}; par(th, n, 4096, do_swap8, &c); munmap(f, n); v[r] = now() - t; }
        snprintf(nm, 128, "bswap64 64MiB fresh+hugepage %dT", th); emit(nm, n, med(v, R));
    }
    munmap(s, n);
}

static void wr(int fd, const uint8_t *p, size_t n) { while (n) { ssize_t k = write(fd, p, n); if (k <= 0) { perror("write"); exit(1); } p += k; n -= k; } }
static void rd(int fd, uint8_t *p, size_t n) { while (n) { ssize_t k = read(fd, p, n); if (k <= 0) { perror("read"); exit(1); } p += k; n -= k; } }

static void bench_file(const char *dir) {
    char path[512]; snprintf(path, 512, "%s/limit.bin", dir);
    size_t n = 64u << 20; uint8_t *s = map(n, 1), *d = map(n, 1); double v[MAXR];
    for (size_t q = 0; q < n; q++) s[q] = (uint8_t)(q * 2654435761u >> 13);
    memset(d, 0, n);
    for (int r = 0; r < R; r++) { unlink(path); double t = now(); int fd = open(path, O_CREAT | O_RDWR, 0600); wr(fd, s, n); close(fd); v[r] = now() - t; }
    emit("file write() new 64MiB", n, med(v, R));
    for (int r = 0; r < R; r++) { double t = now(); int fd = open(path, O_RDWR); wr(fd, s, n); close(fd); v[r] = now() - t; }
    emit("file write() overwrite 64MiB", n, med(v, R));
    int q = R < 5 ? R : 5;
    for (int r = 0; r < q; r++) { unlink(path); double t = now(); int fd = open(path, O_CREAT | O_RDWR, 0600); wr(fd, s, n); fsync(fd); close(fd); v[r] = now() - t; }
    emit("file write()+fsync new 64MiB", n, med(v, q));
    for (int r = 0; r < q; r++) { unlink(path); double t = now(); int fd = open(path, O_CREAT | O_RDWR | O_DIRECT, 0600); if (fd < 0) { v[r] = 1e9; continue; } wr(fd, s, n); fsync(fd); close(fd); v[r] = now() - t; }
    emit("file O_DIRECT write+fsync 64MiB", n, med(v, q));
    for (int r = 0; r < R; r++) { double t = now(); int fd = open(path, O_RDONLY); rd(fd, d, n); close(fd); v[r] = now() - t; }
    int fd0 = open(path, O_RDONLY); rd(fd0, d, n); close(fd0);
    for (int r = 0; r < R; r++) { double t = now(); int fd = open(path, O_RDONLY); rd(fd, d, n); close(fd); v[r] = now() - t; }
    emit("file read() cached to warm 64MiB", n, med(v, R));
    for (int h = 0; h <= 1; h++) {
        for (int r = 0; r < R; r++) { double t = now(); uint8_t *f = map(n, h); int fd = open(path, O_RDONLY); rd(fd, f, n); close(fd); munmap(f, n); v[r] = now() - t; }
        emit(h ? "file read() cached to fresh+hugepage 64MiB" : "file read() cached to fresh 64MiB", n, med(v, R));
    }
    for (int pop = 0; pop <= 1; pop++) {
        for (int r = 0; r < R; r++) { double t = now(); int fd = open(path, O_RDONLY); uint64_t *f = mmap(NULL, n, PROT_READ, MAP_SHARED | (pop ? MAP_POPULATE : 0), fd, 0); uint64_t a = 0; for (size_t i = 0; i < n / 8; i++) a += f[i]; sink += a; munmap(f, n); close(fd); v[r] = now() - t; }
        emit(pop ? "file mmap+MAP_POPULATE sum 64MiB" : "file mmap sum 64MiB", n, med(v, R));
    }
    for (int r = 0; r < q; r++) { int fd = open(path, O_RDONLY); posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); double t = now(); rd(fd, d, n); close(fd); v[r] = now() - t; }
    emit("file read() cold 64MiB", n, med(v, q));
    unlink(path);
}

/* one TCP stream on loopback: a child receives into its own warm buffer and answers one byte per message */
static void bench_tcp(size_t msg, int fresh, const char *lab) {
    int l = socket(AF_INET, SOCK_STREAM, 0), one = 1; struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}; socklen_t al = sizeof a;
    if (bind(l, (void *)&a, sizeof a) || listen(l, 1) || getsockname(l, (void *)&a, &al)) { perror("tcp"); exit(1); }
    int reps = msg <= 4096 ? 20000 : R; if (msg <= 4096 && R < 9) reps = 5000;
    pid_t pid = fork();
    if (!pid) {
        int c = accept(l, NULL, NULL); setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        uint8_t *b = map(msg, 1); memset(b, 0, msg);
        for (int i = 0; i < reps; i++) {
            if (fresh) b = map(msg, 1);
            for (size_t got = 0; got < msg;) { ssize_t k = recv(c, b + got, msg - got, 0); if (k <= 0) _exit(1); got += k; }
            if (msg <= 4096) { if (send(c, b, msg, 0) < 0) _exit(1); } else if (send(c, b, 1, 0) < 0) _exit(1);
            if (fresh) munmap(b, msg);
        }
        _exit(0);
    }
    int c = socket(AF_INET, SOCK_STREAM, 0); if (connect(c, (void *)&a, sizeof a)) { perror("connect"); exit(1); }
    setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    uint8_t *b = map(msg, 1); memset(b, 5, msg); double *v = malloc(reps * sizeof *v); char nm[128];
    for (int i = 0; i < reps; i++) {
        double t = now();
        for (size_t o = 0; o < msg;) { ssize_t k = send(c, b + o, msg - o, 0); if (k <= 0) { perror("send"); exit(1); } o += k; }
        for (size_t got = 0, want = msg <= 4096 ? msg : 1; got < want;) { ssize_t k = recv(c, b + got, want - got, 0); if (k <= 0) exit(1); got += k; }
        v[i] = now() - t;
    }
    double m = med(v, reps);
    if (msg <= 4096) printf("{\"limit\":\"tcp %s round trip\",\"nbytes\":%zu,\"seconds\":%.9f,\"p99\":%.9f,\"gbps\":%.3f,\"best_gbps\":%.3f}\n", lab, msg, m, v[(int)(reps * .99)], msg / m / 1e9, msg / best / 1e9);
    else { snprintf(nm, 128, "tcp %s into %s buffer", lab, fresh ? "fresh+hugepage" : "warm"); emit(nm, msg, m); }
    fflush(stdout); close(c); close(l); waitpid(pid, NULL, 0); munmap(b, msg); free(v);
}

int main(int argc, char **argv) {
    const char *dir = argc > 1 ? argv[1] : ".";
    int quick = argc > 2;
    if (quick) R = 3;
    bench_mem(1 << 10, "1KiB"); bench_mem(64 << 10, "64KiB"); bench_mem(1 << 20, "1MiB"); bench_mem(64u << 20, "64MiB");
    if (!quick) bench_mem(512u << 20, "512MiB");
    bench_layout();
    bench_file(dir);
    bench_tcp(1024, 0, "1KiB"); bench_tcp(1u << 20, 0, "1MiB"); bench_tcp(64u << 20, 0, "64MiB"); bench_tcp(64u << 20, 1, "64MiB");
    if (!quick) bench_tcp(1u << 30, 0, "1GiB");
    return 0;
}
