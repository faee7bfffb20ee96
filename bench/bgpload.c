/*
 * bgpload - plays many BGP speakers at once against one daemon under test (DUT).
 *
 *   feeders   announce a generated table (the same N prefixes from each feeder)
 *   sinks     announce nothing and must end up with the right route for every prefix
 *   clients   (iBGP route-reflector test) announce P prefixes each, expect all others
 *   watchers  speak the other address family with a hold time of 3 s, so that they hear
 *             nothing but keepalives, and note the longest time between two of them
 *   the FIB   (--fib TABLE) is a sink too: what the kernel notifies of that routing table
 *
 * Single process, single thread, epoll.  Every sink keeps one byte per prefix (which
 * feeder the held route came through, 0 = none), so a run only counts as converged when
 * each sink holds exactly the wanted route for every prefix; counting is never enough.
 * Prints one JSON line.  All addresses are in 127.0.0.0/8.  See README.md.
 *
 *   gcc -O2 -Wall -o bgpload bgpload.c
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef uint8_t u8; typedef uint16_t u16; typedef uint32_t u32; typedef uint64_t u64;

#define MSG_MAX 4096
#define FEEDER_AS(f) (65001u + (f))          /* feeder f; via-byte of its routes is f+1 */
#define SINK_AS(k)   (65301u + (k))          /* up to 1,700 sinks: then come the watchers */
#define WATCH_AS(w)  (67001u + (w))
#define REDIAL       5.0                     /* seconds: who gets no answer dials anew, not the kernel after a minute */
#define WATCH_HOLD   3                       /* seconds: a keepalive is due every second */
#define VER_AS       1000000u                /* churn: origin AS = VER_AS + round number */

/* ------------------------------------------------------------ options */
static char dut_addr[64] = "127.0.0.1";
static int dut_port = 1790, listen_port, family = 4, hold = 180, verbose, blast;
static u32 dut_as = 65000, F, K, C, P, N = 100000, R = 1000, W = 10;
static u64 seed = 1;
static double limit = 300, stall = 60, settle = 0.3, churn_secs = 10;
static const char *event = "none";           /* none | failover | withdraw | churn | startup | restart | slow | idle */
static u32 watchers, slow, dial = 4; static int fib_table, blocks, originated, list_only;
static double epoch, idle_secs = 60, retry = 0.3;
static int is_event(const char *name) { return !strcmp(event, name); }
static int pids[256], npids, cpu_pin = -1;

static void die(const char *f, ...)
{
	va_list ap; va_start(ap, f); vfprintf(stderr, f, ap); va_end(ap);
	fputc('\n', stderr); exit(2);
}
static double now(void)
{
	struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec * 1e-9;
}
static void *xalloc(size_t n) { void *p = calloc(1, n ? n : 1); if (!p) die("out of memory"); return p; }
static inline u64 mix(u64 x)                 /* splitmix64 finaliser */
{
	x += 0x9e3779b97f4a7c15ull; x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull; return x ^ x >> 31;
}
static u64 rs;
static u64 rnd(void) { return mix(rs++); }
static u32 below(u32 n) { return (rnd() >> 32) * n >> 32; }
static double unit(void) { return (rnd() >> 11) * 0x1p-53; }

/* ------------------------------------------------------------ prefix table
 * key: IPv4 = addr<<8|len, IPv6 = top 64 bits | len (len <= 48, so they don't overlap).
 * index of an IPv4 prefix = rank in a per-length bitmap (one cache line per look-up);
 * IPv6 uses an open-addressing hash. */
struct word { u64 bits; u32 rank; };
static struct word *bm[33];
static u64 *key; static u32 nkey;
static struct { u64 k; u32 i; } *ht; static u32 hmask;

static inline int lookup4(u32 addr, int len)
{
	if (len > 32 || !bm[len]) return -1;
	u32 x = len ? addr >> (32 - len) : 0; struct word *w = &bm[len][x >> 6];
	u64 bit = 1ull << (x & 63);
	return w->bits & bit ? (int)(w->rank + __builtin_popcountll(w->bits & (bit - 1))) : -1;
}
static inline int lookup6(u64 k)
{
	for (u32 h = mix(k) & hmask; ht[h].k; h = (h + 1) & hmask) if (ht[h].k == k) return ht[h].i;
	return -1;
}
static void bm_new(int len)
{
	if (!bm[len]) bm[len] = xalloc(((len > 6 ? 1ull << (len - 6) : 1)) * sizeof(struct word));
}
static void bm_index(void)                   /* assign ranks and fill key[] */
{
	u32 n = 0; key = xalloc(8ull * N);
	for (int len = 0; len <= 32; len++) if (bm[len])
		for (u32 w = 0; w < (len > 6 ? 1u << (len - 6) : 1); w++) {
			bm[len][w].rank = n;
			for (u64 b = bm[len][w].bits; b; b &= b - 1) {
				u32 x = (w << 6) + __builtin_ctzll(b);
				key[n++] = (u64)(x << (32 - len)) << 8 | len;
			}
		}
	nkey = n;
}
/* rough shares of a current default-free table, in 1/10000 */
static const int share4[][2] = { {24,0},{23,1020},{22,1150},{21,500},{20,450},{19,260},{18,150},
	{17,90},{16,140},{15,20},{14,12},{13,6},{12,3},{11,1},{0,0} };
static const int share6[][2] = { {48,0},{32,1300},{44,1100},{40,900},{36,500},{47,300},{46,400},
	{45,150},{42,200},{33,150},{34,120},{29,320},{0,0} };

static void gen4(void)
{
	u32 left = N;
	for (int pass = 1; pass >= 0; pass--)        /* /24 takes what the others leave */
		for (int i = 0; share4[i][0]; i++) {
			int len = share4[i][0]; if ((len == 24) == pass) continue;
			u32 n = len == 24 ? left : (u64)N * share4[i][1] / 10000;
			bm_new(len); left -= n;
			while (n) {                          /* short runs of neighbours, like real origins */
				u32 x = below(1u << len), run = 1 + (len > 18) * below(8);
				for (; run && n && x < 1u << len; run--, x++) {
					u32 a = x << (32 - len), top = a >> 24;
					if (top < 1 || top > 223 || top == 10 || top == 127 || a >> 16 == 0xa9fe ||
					    a >> 20 == 0xac1 || a >> 16 == 0xc0a8) continue;
					u64 bit = 1ull << (x & 63);
					if (!(bm[len][x >> 6].bits & bit)) bm[len][x >> 6].bits |= bit, n--;
				}
			}
		}
	bm_index();
}
static void hash_new(void)
{
	u32 sz = 16; while (sz < 2 * N) sz *= 2;
	ht = xalloc((u64)sz * sizeof *ht); hmask = sz - 1; key = xalloc(8ull * N);
}
static void hash_add(u64 k)
{
	u32 h = mix(k) & hmask; while (ht[h].k) h = (h + 1) & hmask;
	ht[h].k = k; ht[h].i = nkey; key[nkey++] = k;
}
/* equal blocks side by side, as address pools of a cluster have them */
static void gen_blocks(void)
{
	if (family == 4) {
		bm_new(26);
		for (u32 i = 0; i < N; i++) { u32 x = (0x14000000u >> 6) + i; bm[26][x >> 6].bits |= 1ull << (x & 63); }
		bm_index();
		return;
	}
	hash_new();
	for (u32 i = 0; i < N; i++) hash_add(0x2a10ull << 48 | (u64)i << 16 | 48);
}
static void gen6(void)
{
	static const u32 top[] = { 0x2400, 0x2600, 0x2800, 0x2a00, 0x2c00 };
	hash_new();
	u32 left = N;
	for (int pass = 1; pass >= 0; pass--)
		for (int i = 0; share6[i][0]; i++) {
			int len = share6[i][0]; if ((len == 48) == pass) continue;
			u32 n = len == 48 ? left : (u64)N * share6[i][1] / 10000;
			left -= n;
			while (n) {
				u64 a = (u64)(top[below(5)] | below(16)) << 48 | (rnd() & 0xffffffffffffull);
				u64 k = (a >> (64 - len) << (64 - len)) | len;
				if (lookup6(k) >= 0) continue;
				hash_add(k); n--;
			}
		}
}
static int put_prefix(u8 *p, u64 k)
{
	int len = k & 255, nb = (len + 7) / 8;
	u64 a = family == 4 ? k >> 8 << 32 : k & ~255ull;
	*p = len; for (int i = 0; i < nb; i++) p[1 + i] = a >> (56 - 8 * i);
	return 1 + nb;
}

/* ------------------------------------------------------------ attribute sets */
struct set { u32 first, count, med, path[8], comm[10]; u8 npath, ncomm, origin; };
static struct set *set; static u32 nset, *member;

static int cmp64(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b; return x < y ? -1 : x > y;
}
static u32 some_as(void)
{
	for (;;) {
		u32 a = below(100) < 65 ? 1000 + below(62000) : 131072 + below(270000);
		if (a != 23456) return a;
	}
}
static void gen_sets(void)
{
	static u32 transit[64];
	for (int i = 0; i < 64; i++) transit[i] = some_as();
	/* neighbouring prefixes share an origin: runs over the address-sorted list */
	u64 *ord = xalloc(16ull * nkey);
	for (u32 i = 0; i < nkey; i++) ord[2 * i] = key[i], ord[2 * i + 1] = i;
	qsort(ord, nkey, 16, cmp64);
	member = xalloc(4ull * nkey); set = xalloc(sizeof *set * (u64)(nkey + 1));
	for (u32 i = 0; i < nkey; i++) member[i] = ord[2 * i + 1];
	free(ord);
	for (u32 i = 0; i < nkey; ) {
		struct set *s = &set[nset++];
		u32 lim = 1; while (lim < 4096 && unit() < 0.435) lim *= 2;         /* octave of a heavy tail */
		u32 c = lim + below(lim);
		if (c > nkey - i) c = nkey - i;
		s->first = i; s->count = c; i += c;
		s->origin = below(100) < 88 ? 0 : below(100) < 3 ? 1 : 2;
		int hops = 2 + below(3) + (below(4) == 0);                       /* after the feeder AS */
		for (int h = 0; h < hops; h++)
			s->path[s->npath++] = h == 0 || (h == 1 && below(2)) ? transit[below(64)] : some_as();
		if (below(100) < 10) while (s->npath < 8 && below(2)) s->path[s->npath] = s->path[s->npath - 1], s->npath++;
		if (below(100) < 60) {
			s->ncomm = 1 + below(4) + below(4);
			for (int j = 0; j < s->ncomm; j++) s->comm[j] = (1000 + below(60000)) << 16 | below(4000);
		}
		s->med = below(100) < 20 ? 1 + below(500) : 0;
	}
	for (u32 i = nset; i > 1; i--) { u32 j = below(i); struct set t = set[i - 1]; set[i - 1] = set[j]; set[j] = t; }
}
/* how much longer than the best path of set a is feeder f's path? */
static u32 extra(u32 a, u32 f) { return is_event("failover") || is_event("slow") ? f : (mix(a ^ seed << 32) + f) % F; }
static u32 best(u32 a) { for (u32 f = 0; f < F; f++) if (!extra(a, f)) return f; return 0; }

/* ------------------------------------------------------------ encoding */
struct buf { u8 *p; size_t n, cap; };
static u8 *room(struct buf *b, size_t k)
{
	if (b->n + k > b->cap) { b->cap = (b->cap + k) * 2; b->p = realloc(b->p, b->cap); if (!b->p) die("out of memory"); }
	return b->p + b->n;
}
static void w16(u8 *p, u32 v) { p[0] = v >> 8; p[1] = v; }
static void w32(u8 *p, u32 v) { w16(p, v >> 16); w16(p + 2, v); }
static u32 r16(const u8 *p) { return p[0] << 8 | p[1]; }
static u32 r32(const u8 *p) { return (u32)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]; }
static u32 nh_of(u32 i) { return 0x0a010000 + i + 1; }       /* 10.1.x.y: 127/8 next hops are martian to some */

static int attrs(u8 *a, int org, const u32 *path, int np, u32 nh, int med, int lp, const u32 *comm, int nc)
{
	u8 *p = a;
	memcpy(p, "\x40\x01\x01", 3); p[3] = org; p += 4;
	*p++ = 0x40; *p++ = 2; *p++ = np ? 2 + 4 * np : 0;
	if (np) { *p++ = 2; *p++ = np; for (int i = 0; i < np; i++, p += 4) w32(p, path[i]); }
	if (family == 4) { memcpy(p, "\x40\x03\x04", 3); w32(p + 3, nh); p += 7; }
	if (med) { memcpy(p, "\x80\x04\x04", 3); w32(p + 3, med); p += 7; }
	if (lp) { memcpy(p, "\x40\x05\x04", 3); w32(p + 3, lp); p += 7; }
	if (nc) { *p++ = 0xc0; *p++ = 8; *p++ = 4 * nc; for (int i = 0; i < nc; i++, p += 4) w32(p, comm[i]); }
	return p - a;
}
/* UPDATEs carrying idx[0..n) with one attribute set; one set per message, at most 4096 bytes */
static void updates(struct buf *b, const u8 *at, int alen, u32 nh, const u32 *idx, u32 n)
{
	while (n) {
		u8 *m = room(b, MSG_MAX), *p = m + 19, *mp = NULL;
		memset(m, 255, 16); m[18] = 2; w16(p, 0); p += 4;
		if (family == 6) {
			mp = p; memcpy(p, "\x90\x0e\0\0\0\x02\x01\x10", 8); memset(p + 8, 0, 17);
			p[8] = 0xfd; p[10] = 1; w32(p + 20, nh); p += 25;
		} else { memcpy(p, at, alen); p += alen; }
		int tail = family == 6 ? alen : 0;
		while (n && p + 9 - m + tail <= MSG_MAX) p += put_prefix(p, key[*idx++]), n--;
		if (mp) { w16(mp + 2, p - mp - 4); memcpy(p, at, alen); p += alen; w16(m + 21, p - m - 23); }
		else w16(m + 21, alen);
		w16(m + 16, p - m); b->n += p - m;
	}
}
static void eor(struct buf *b)
{
	u8 *m = room(b, 64); memset(m, 255, 16); memset(m + 16, 0, 48); m[18] = 2;
	if (family == 6) { m[17] = 29; m[22] = 6; memcpy(m + 23, "\x80\x0f\x03\0\x02\x01", 6); } else m[17] = 23;
	b->n += m[17];
}
static void feed_table(struct buf *b, u32 f)
{
	u8 at[256]; u32 path[32];
	for (u32 k = 0; k < nset; k++) {
		u32 a = (k + (u64)f * nset / F) % nset; struct set *s = &set[a]; int np = 0;
		for (u32 e = 0; e <= extra(a, f); e++) path[np++] = FEEDER_AS(f);
		memcpy(path + np, s->path, 4 * s->npath); np += s->npath;
		int al = attrs(at, s->origin, path, np, nh_of(f), s->med, 0, s->comm, s->ncomm);
		updates(b, at, al, nh_of(f), member + s->first, s->count);
	}
	eor(b);
}

/* ------------------------------------------------------------ speakers */
enum { S_IDLE, S_CONN, S_OPEN, S_EST, S_DOWN };
struct spk {
	int fd, lfd, state, want_out; u32 id, as; u8 sink, feeder, as4, watcher, fib, lazy, paused;
	u8 *rest; u32 nrest;
	struct buf out; size_t off;              /* feed, or control messages when not feeding */
	u8 *held; u32 nok; u32 hold; int done;
	double t_try, t_tx, t_est, t_first, t_full, t_ka, gap;
	u64 msgs, bytes, upds, nlri, wdr;
};
static struct spk *spk; static u32 nspk, nest, ndown, flaps; static int setup = 1;
static struct buf *feeds; static int feed_on_up;             /* feeders feed as soon as their session is up */
static int ep; static u8 *rbuf; enum { RB = 1 << 20 };
static u8 *want; static u32 target, ndone, nsinks; static u64 *cs;
static u64 unexpected, reflected, badattr, rx_bytes; static double last_rx;
static char errmsg[200];
/* churn state */
static u32 *cver; static u32 *cgrp; static u32 rounds_done, cround; static struct { u32 left, ver; double t; } grp[256];
static double *rtt; static int churning, churn_stop; static u64 churn_acked;
static void churn_round(u32 g);

static void fail(struct spk *s, const char *f, ...)
{
	va_list ap; char b[120]; va_start(ap, f); vsnprintf(b, sizeof b, f, ap); va_end(ap);
	if (verbose || !*errmsg) fprintf(stderr, "bgpload: speaker %u: %s\n", s->id, b);
	if (!*errmsg) snprintf(errmsg, sizeof errmsg, "speaker %u: %s", s->id, b);
}
static void set_out(struct spk *s, int on)
{
	if (s->want_out == on) return;
	struct epoll_event e = { (s->paused ? 0 : EPOLLIN) | (on ? EPOLLOUT : 0), { .ptr = s } };
	epoll_ctl(ep, EPOLL_CTL_MOD, s->fd, &e); s->want_out = on;
}
static void flush(struct spk *s)
{
	while (s->off < s->out.n) {
		size_t k = s->out.n - s->off; if (k > 262144) k = 262144;
		ssize_t w = write(s->fd, s->out.p + s->off, k);
		if (w < 0) { if (errno != EAGAIN && errno != EINTR) fail(s, "write: %s", strerror(errno)); break; }
		s->off += w; s->t_tx = now();
		if ((size_t)w < k || k == 262144) break;             /* let the sinks be read */
	}
	if (s->off == s->out.n && s->out.cap < 65536) s->off = s->out.n = 0;
	set_out(s, s->off < s->out.n);
}
static void ctl(struct spk *s, const void *m, int n)
{
	if (s->off < s->out.n && s->state == S_EST) return;      /* feeding: UPDATEs keep the session alive */
	if (s->off == s->out.n) s->off = s->out.n = 0;
	memcpy(room(&s->out, n), m, n); s->out.n += n; flush(s);
}
static void keepalive(struct spk *s)
{
	u8 m[19]; memset(m, 255, 16); w16(m + 16, 19); m[18] = 4; ctl(s, m, 19);
}
static void drop(struct spk *s)
{
	if (s->fd >= 0) close(s->fd);
	s->fd = -1; s->nrest = 0; s->want_out = 0; s->off = s->out.n = 0; s->t_ka = 0;
	if (feed_on_up && s->sink) {             /* what it held is gone with the session */
		memset(s->held, 0, N); s->nok = 0;
		if (s->done) s->done = 0, ndone--;
	}
	if (s->state == S_EST && setup) { s->state = S_IDLE; s->t_try = now() + retry; nest--; flaps++; }   /* come back, like a router would */
	else if (s->state == S_EST) { s->state = S_DOWN; ndown++; }
	else if (s->state != S_DOWN) { s->state = S_IDLE; s->t_try = now() + retry; }
}
static void send_open(struct spk *s)
{
	u8 m[64], *p = m + 19; memset(m, 255, 16); m[18] = 1;
	*p++ = 4; w16(p, s->as > 65535 ? 23456 : s->as); w16(p + 2, s->watcher ? WATCH_HOLD : hold); w32(p + 4, nh_of(s->id)); p += 8;
	static const u8 both[] = { 22, 2, 20, 1,4,0,1,0,1, 1,4,0,2,0,1, 2,0, 65,4 };
	const u8 other[] = { 16, 2, 14, 1,4,0,family == 4 ? 2 : 1,0,1, 2,0, 65,4 };
	const u8 *c = s->watcher ? other : both; int n = s->watcher ? sizeof other : sizeof both;
	memcpy(p, c, n); p += n; w32(p, s->as); p += 4;
	w16(m + 16, p - m); s->state = S_OPEN; ctl(s, m, p - m);
}
static void start_connect(struct spk *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f010000 + s->id + 1) };
	int one = 1, rb = s->lazy ? 4096 : 4 << 20;
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0); s->t_try = now();
	if (s->fd < 0) die("socket: %s", strerror(errno));
	setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &rb, sizeof rb);
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (bind(s->fd, (void *)&a, sizeof a)) die("bind: %s", strerror(errno));
	a.sin_port = htons(dut_port); inet_pton(AF_INET, dut_addr, &a.sin_addr);
	if ((ntohl(a.sin_addr.s_addr) >> 24) != 127) die("only loopback targets");
	if (connect(s->fd, (void *)&a, sizeof a) && errno != EINPROGRESS) { close(s->fd); s->fd = -1; s->t_try = now() + retry; return; }
	struct epoll_event e = { EPOLLIN | EPOLLOUT, { .ptr = s } };
	epoll_ctl(ep, EPOLL_CTL_ADD, s->fd, &e); s->want_out = 1; s->state = S_CONN;
}
/* a sink that stops reading, or reads again */
static void pause_sink(struct spk *s, int on)
{
	s->paused = on;
	if (s->fd < 0) return;
	struct epoll_event e = { (on ? 0 : EPOLLIN) | (s->want_out ? EPOLLOUT : 0), { .ptr = s } };
	epoll_ctl(ep, EPOLL_CTL_MOD, s->fd, &e);
}
static void start_feed(struct spk *s)
{
	struct buf *f = &feeds[s->id];
	if (s->off == s->out.n) s->off = s->out.n = 0;           /* a keepalive may still be waiting */
	memcpy(room(&s->out, f->n), f->p, f->n); s->out.n += f->n;
	set_out(s, 1);
}
static void start_listen(struct spk *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(listen_port), .sin_addr.s_addr = htonl(0x7f010000 + s->id + 1) };
	int one = 1, rb = 4 << 20;
	s->lfd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(s->lfd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	setsockopt(s->lfd, SOL_SOCKET, SO_RCVBUF, &rb, sizeof rb);
	if (bind(s->lfd, (void *)&a, sizeof a) || listen(s->lfd, 4)) die("listen: %s", strerror(errno));
}

/* ------------------------------------------------------------ receiving */
static inline void apply(struct spk *s, int i, u8 st, u64 ah, u32 ver)
{
	if (__builtin_expect(i < 0, 0)) { unexpected++; return; }
	if (C && i / P == s->id) { reflected++; return; }
	u8 old = s->held[i], w = want[i];
	s->held[i] = st; s->nok += (st == w) - (old == w);
	if (s->sink != 2) return;                                /* sink 0 also keeps the checksum */
	cs[i] = st ? mix(ah ^ mix(key[i])) : 0;
	if (churning && ver && cver[i] == ver) {
		u32 g = cgrp[i]; cver[i] = 0; churn_acked++;
		if (!--grp[g].left) { rtt[rounds_done++] = now() - grp[g].t; churn_round(g); }
	}
}
static u64 attr_hash(int org, const u32 *path, int np, const u32 *comm, int nc)
{
	u64 h = mix(org + 1), c = 0;
	for (int i = 0; i < np; i++) h = mix(h ^ path[i]);
	for (int i = 0; i < nc; i++) c += mix(comm[i]);          /* order-independent */
	return h ^ c;
}
static int nlris(struct spk *s, const u8 *p, const u8 *e, int fam, u8 st, u64 ah, u32 ver)
{
	int n = 0;
	for (; p < e; n++) {
		int len = *p, nb = (len + 7) >> 3; u64 a = 0;
		if (p + 1 + nb > e || len > (fam == 4 ? 32 : 128)) return -1;
		if (fam == 4) {
			memcpy(&a, p + 1, 8); a = __builtin_bswap64(a);
			a = nb ? a >> (64 - 8 * nb) << (64 - 8 * nb) : 0;
			apply(s, lookup4(a >> 32, len), st, ah, ver);
		} else {
			for (int i = 0; i < nb && i < 8; i++) a |= (u64)p[1 + i] << (56 - 8 * i);
			apply(s, len > 48 ? -1 : lookup6(a | len), st, ah, ver);
		}
		p += 1 + nb;
	}
	return n;
}
static void update(struct spk *s, const u8 *p, const u8 *e)
{
	const u8 *w = p + 2, *we = w + r16(p), *a = we + 2, *ae, *mp = NULL, *mpe = NULL, *mu = NULL, *mue = NULL;
	u32 path[64], comm[64], ver = 0, nh = 0; int np = 0, nc = 0, org = 3, orig = 0, clus = 0, k;
	if (a > e || (ae = a + r16(we)) > e) goto bad;
	s->upds++;
	while (a + 3 <= ae) {
		int fl = a[0], ty = a[1]; u32 l = fl & 16 ? r16(a + 2) : a[2]; const u8 *v = a + (fl & 16 ? 4 : 3);
		if (v + l > ae) goto bad;
		switch (ty) {
		case 1: org = v[0]; break;
		case 2:
			for (const u8 *q = v; q + 2 <= v + l; ) {
				int n = q[1], z = s->as4 ? 4 : 2; q += 2;
				for (; n--; q += z) if (np < 64) path[np++] = z == 4 ? r32(q) : r16(q);
			}
			break;
		case 3: nh = r32(v); break;
		case 8: for (u32 i = 0; i + 4 <= l && nc < 64; i += 4) comm[nc++] = r32(v + i); break;
		case 9: orig = l == 4; break;
		case 10: clus = l >= 4; break;
		case 14: if (l < 5) goto bad;
			mp = v + 5 + v[3]; mpe = v + l; if (r16(v) != 2 || mp > mpe) mp = mpe = NULL; else if (v[3] >= 16) nh = r32(v + 16);
			break;
		case 15: mu = v + 3; mue = v + l; if (r16(v) != 2) mu = mue = NULL; break;
		}
		a = v + l;
	}
	if ((k = nlris(s, w, we, 4, 0, 0, 0)) < 0) goto bad;
	s->wdr += k;
	if (mu) { if ((k = nlris(s, mu, mue, 6, 0, 0, 0)) < 0) goto bad; s->wdr += k; }
	if (ae < e || mp < mpe) {
		u8 st = 1; u64 ah = 0; const u32 *pt = path;
		if (C) { if (!orig || !clus || !nh) badattr++; }      /* reflected routes must carry both */
		else {
			if (np && path[0] == dut_as) pt++, np--; else badattr++;
			st = originated ? (np ? 255 : 1) : np && pt[0] > 65000 && pt[0] <= 65000 + F ? pt[0] - 65000 : 255;
			if (np && pt[np - 1] >= VER_AS) ver = pt[np - 1] - VER_AS;
		}
		if (s->sink == 2) ah = attr_hash(org, pt, np, comm, nc);
		if ((k = nlris(s, ae, e, 4, st, ah, ver)) < 0) goto bad;
		s->nlri += k;
		if (mp) { if ((k = nlris(s, mp, mpe, 6, st, ah, ver)) < 0) goto bad; s->nlri += k; }
	}
	return;
bad:
	badattr++; fail(s, "malformed UPDATE");
}
static void message(struct spk *s, const u8 *m, u32 len)
{
	s->msgs++;
	switch (m[18]) {
	case 1: {
		u32 mine = s->watcher ? WATCH_HOLD : hold;
		s->hold = r16(m + 22) < mine ? r16(m + 22) : mine;
		for (const u8 *p = m + 29; p + 2 <= m + len && p[0] == 2; p += 2 + p[1])
			for (const u8 *c = p + 2; c + 2 <= p + 2 + p[1]; c += 2 + c[1]) if (c[0] == 65) s->as4 = 1;
		if (listen_port && s->state != S_OPEN) send_open(s);
		keepalive(s); break;
	}
	case 2: if (s->sink) update(s, m + 19, m + len); break;
	case 3: fail(s, "NOTIFICATION %d/%d", m[19], m[20]); break;
	case 4:
		if (s->watcher) {
			double t = now(); if (s->t_ka && t - s->t_ka > s->gap) s->gap = t - s->t_ka;
			s->t_ka = t;
		}
		if (s->state != S_OPEN) break;
		s->state = S_EST; s->t_est = now(); nest++;
		if (s->lazy) pause_sink(s, 1);
		if (feed_on_up && s->feeder) start_feed(s);
		break;
	}
}
static void heard(struct spk *s)             /* routes came: is this sink right now? */
{
	double t = now(); last_rx = t;
	if (!s->t_first) s->t_first = t;
	if (!s->done && s->nok == target) s->done = 1, s->t_full = t, ndone++;
}
/* the kernel tells of its routes: those of our table are compared like a sink's */
static void open_fib(struct spk *s)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_groups = family == 4 ? RTMGRP_IPV4_ROUTE : RTMGRP_IPV6_ROUTE };
	int rb = 512 << 20; struct epoll_event e = { EPOLLIN, { .ptr = s } };
	s->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (s->fd < 0 || bind(s->fd, (void *)&a, sizeof a)) die("netlink: %s", strerror(errno));
	if (setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &rb, sizeof rb)) die("netlink buffer: %s", strerror(errno));
	epoll_ctl(ep, EPOLL_CTL_ADD, s->fd, &e); s->state = S_EST; nest++;
}
static void fib_route(struct spk *s, const struct nlmsghdr *h)
{
	const struct rtmsg *r = NLMSG_DATA(h); const u8 *dst = NULL, *gw = NULL; u32 table = r->rtm_table;
	int n = RTM_PAYLOAD(h), is_new = h->nlmsg_type == RTM_NEWROUTE;
	for (const struct rtattr *a = RTM_RTA(r); RTA_OK(a, n); a = RTA_NEXT(a, n)) switch (a->rta_type) {
	case RTA_TABLE: table = *(u32 *)RTA_DATA(a); break;
	case RTA_DST: dst = RTA_DATA(a); break;
	case RTA_GATEWAY: gw = RTA_DATA(a); break;
	}
	if ((!is_new && h->nlmsg_type != RTM_DELROUTE) || table != (u32)fib_table || r->rtm_type != RTN_UNICAST) return;
	u64 top = 0; int i = -1, len = r->rtm_dst_len;
	if (dst) for (int j = 0; j < (family == 4 ? 4 : 8); j++) top |= (u64)dst[j] << (56 - 8 * j);
	if (dst) i = family == 4 ? lookup4(top >> 32, len) : len > 48 ? -1 : lookup6(top | len);
	u32 via = gw ? r32(gw + (family == 4 ? 0 : 12)) : 0;
	apply(s, i, !is_new ? 0 : via > nh_of(0) + F - 1 || via < nh_of(0) ? 255 : via - nh_of(0) + 1, 0, 0);
	*(is_new ? &s->nlri : &s->wdr) += 1;
}
static void readable_fib(struct spk *s)
{
	u64 before = s->nlri + s->wdr;
	for (int k = 0; k < 1024; k++) {
		ssize_t n = recv(s->fd, rbuf, RB, 0);
		if (n < 0) { if (errno != EAGAIN && errno != EINTR) fail(s, "netlink: %s", strerror(errno)), badattr++; break; }
		s->bytes += n; rx_bytes += n; int left = n;
		for (struct nlmsghdr *h = (void *)rbuf; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) s->msgs++, fib_route(s, h);
	}
	if (s->nlri + s->wdr != before) heard(s);
}
static void readable(struct spk *s)
{
	memcpy(rbuf, s->rest, s->nrest);
	ssize_t n = read(s->fd, rbuf + s->nrest, RB - s->nrest);
	if (n <= 0) {
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
		if (s->state == S_EST && !setup) fail(s, "session lost: %s", n ? strerror(errno) : "EOF");
		drop(s); return;
	}
	s->bytes += n; rx_bytes += n;
	u8 *p = rbuf, *e = rbuf + s->nrest + n;
	u64 before = s->nlri + s->wdr;
	while (e - p >= 19) {
		u32 len = r16(p + 16);
		if (len < 19 || p[0] != 255) { fail(s, "bad framing"); drop(s); return; }
		if (e - p < len) break;
		message(s, p, len); p += len;
		if (s->fd < 0) return;
	}
	s->nrest = e - p; memcpy(s->rest, p, s->nrest);
	if (s->sink && (s->nlri + s->wdr != before)) heard(s);
}
static void tick(void)
{
	static double next; double t = now(); u32 started = 0;
	if (t < next) return;
	/* few new connections each 10 ms: listen backlogs are as small as 5; a look that was late delays no later one */
	next = next + 0.01 < t ? t + 0.01 : next + 0.01;
	for (u32 i = 0; i < nspk; i++) {
		struct spk *s = &spk[i];
		if (s->state == S_IDLE && listen_port) {
			int fd = accept4(s->lfd, NULL, NULL, SOCK_NONBLOCK); if (fd < 0) continue;
			s->fd = fd; struct epoll_event e = { EPOLLIN, { .ptr = s } }; epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
			send_open(s);
		} else if (s->state == S_IDLE && t >= s->t_try && started < dial) start_connect(s), started++;
		else if (s->state == S_CONN && t - s->t_try > REDIAL) drop(s);
		else if (s->state == S_EST && s->hold && t - s->t_tx > s->hold / 3.0) { s->t_tx = t; keepalive(s); }
	}
}
static void poll_once(int ms)
{
	struct epoll_event ev[256]; u64 had = rx_bytes; tick();
	int n = epoll_wait(ep, ev, 256, nest + ndown < nspk && ms > 5 ? 5 : ms);
	for (int i = 0; i < n; i++) {
		struct spk *s = ev[i].data.ptr; if (s->fd < 0) continue;
		if (s->state == S_CONN && ev[i].events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
			int er = 0; socklen_t l = sizeof er; getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &er, &l);
			if (er) drop(s); else send_open(s);
			continue;
		}
		if (s->fib) { readable_fib(s); continue; }
		if (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(s);
		if (s->fd >= 0 && ev[i].events & EPOLLOUT) flush(s);
	}
	/* stay cheap: when the DUT sends in dribbles, let some pile up before the next round of reads */
	had = rx_bytes - had;
	if (had && had < 8192u * n) usleep(200);
}

/* ------------------------------------------------------------ phases and marks */
static double dut_cpu(void)
{
	double sum = 0; char fn[40], b[1024];
	for (int i = 0; i < npids; i++) {
		snprintf(fn, sizeof fn, "/proc/%d/stat", pids[i]); int fd = open(fn, O_RDONLY); if (fd < 0) continue;
		ssize_t n = read(fd, b, sizeof b - 1); close(fd); if (n <= 0) continue;
		b[n] = 0; char *p = strrchr(b, ')'); unsigned long u, k;
		if (p && sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &u, &k) == 2) sum += u + k;
	}
	return sum / sysconf(_SC_CLK_TCK);
}
static double my_cpu(void)
{
	struct rusage r; getrusage(RUSAGE_SELF, &r);
	return r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1e-6;
}
static double t0, cpu0, me0, t_fed; static u64 m0, b0, u0, n0, w0; static int nphase, all_ok = 1;
static char js[16384]; static size_t jn;
static void J(const char *f, ...) { va_list ap; va_start(ap, f); jn += vsnprintf(js + jn, sizeof js - jn, f, ap); va_end(ap); }

static void totals(u64 *m, u64 *b, u64 *u, u64 *n, u64 *w)
{
	*m = *b = *u = *n = *w = 0;
	for (u32 i = 0; i < nspk; i++) if (spk[i].sink)
		*m += spk[i].msgs, *b += spk[i].bytes, *u += spk[i].upds, *n += spk[i].nlri, *w += spk[i].wdr;
}
static void recount(void)                    /* after want[] changed */
{
	ndone = nsinks = 0;
	for (u32 i = 0; i < nspk; i++) if (spk[i].sink) {
		struct spk *s = &spk[i]; s->nok = 0; s->done = 0; s->t_first = s->t_full = 0;
		for (u32 j = 0; j < N; j++) if (!(C && j / P == s->id)) s->nok += s->held[j] == want[j];
		if (s->paused) { s->done = 1; continue; }             /* not waited for */
		nsinks++;
		if (s->nok == target) s->done = 1, ndone++;           /* nothing to do for this sink */
	}
}
static void phase_begin(void)
{
	recount(); totals(&m0, &b0, &u0, &n0, &w0); cpu0 = dut_cpu(); me0 = my_cpu(); t_fed = 0; last_rx = t0 = now();
	for (u32 i = 0; i < nspk; i++) spk[i].gap = 0;
}
static int feeding(void) { for (u32 i = 0; i < nspk; i++) if (spk[i].off < spk[i].out.n) return 1; return 0; }
static int cmpd(const void *a, const void *b) { double x = *(double *)a, y = *(double *)b; return x < y ? -1 : x > y; }

static void phase_wait(const char *name)
{
	u32 nd0 = ndown;
	for (;;) {
		poll_once(10);
		double t = now();
		if (!t_fed && !feeding()) t_fed = t;
		if ((ndone == nsinks && t_fed) || t - t0 > limit || t - last_rx > stall || ndown > nd0) break;
	}
	double cpu = dut_cpu() - cpu0, me = my_cpu() - me0, tend = now(), gap = 0, up = 0;
	for (u32 i = 0; i < nspk; i++) {
		if (spk[i].t_ka && tend - spk[i].t_ka > spk[i].gap) spk[i].gap = tend - spk[i].t_ka;
		if (spk[i].gap > gap) gap = spk[i].gap;
		if (spk[i].t_est - t0 > up) up = spk[i].t_est - t0;
	}
	while (now() < tend + settle) poll_once(20);             /* late changes would show as nok < target */
	u64 m, b, u, n, w; totals(&m, &b, &u, &n, &w);
	double *f = xalloc(8 * (nsinks + 1)), *g = xalloc(8 * (nsinks + 1)); u32 nf = 0, ng = 0, minok = ~0u;
	for (u32 i = 0; i < nspk; i++) if (spk[i].sink && !spk[i].paused) {
		if (spk[i].t_first) f[nf++] = spk[i].t_first - t0;
		if (spk[i].t_full) g[ng++] = spk[i].t_full - t0;
		if (spk[i].nok < minok) minok = spk[i].nok;
	}
	qsort(f, nf, 8, cmpd); qsort(g, ng, 8, cmpd);
	int ok = !nsinks || (ndone == nsinks && minok == target && ndown == nd0); all_ok &= ok;
	J("%s\"%s\":{\"ok\":%s,\"sinks_full\":%u,\"min_held\":%u,\"want\":%u,\"fed_s\":%.4f,\"first_s\":%.4f,"
	  "\"full_min_s\":%.4f,\"full_med_s\":%.4f,\"full_max_s\":%.4f,\"dut_cpu_s\":%.2f,\"load_cpu_s\":%.3f,"
	  "\"rx_msgs\":%lu,\"rx_bytes\":%lu,\"rx_updates\":%lu,\"rx_nlri\":%lu,\"rx_withdrawn\":%lu,\"up_s\":%.4f,\"keepalive_gap_s\":%.4f}",
	  nphase++ ? "," : "", name,
	  ok ? "true" : "false", ndone, nsinks ? minok : 0, target, t_fed ? t_fed - t0 : -1, nf ? f[0] : -1, ng ? g[0] : -1, ng ? g[ng / 2] : -1,
	  ng && ndone == nsinks ? g[ng - 1] : -1, cpu, me, m - m0, b - b0, u - u0, n - n0, w - w0, up, gap);
	free(f); free(g);
}
static void wait_idle(void)                  /* until the DUT burns no CPU, so the next phase starts clean */
{
	double end = now() + 60, c = dut_cpu(); int quiet = 0;
	while (npids && quiet < 3 && now() < end) {
		double t = now() + 0.15; while (now() < t) poll_once(20);
		double d = dut_cpu(); quiet = d - c <= 0.0101 ? quiet + 1 : 0; c = d;
	}
}
static void close_feeder(u32 f)
{
	u8 m[21]; memset(m, 255, 16); w16(m + 16, 21); m[18] = 3; m[19] = 6; m[20] = 2;   /* Cease, shutdown */
	ctl(&spk[f], m, 21); drop(&spk[f]);
}
/* churn: the table is cut into W groups; each has one round of R prefixes in flight.  A
 * prefix counts once the sink holds exactly the version sent, so nothing can be merged away. */
static void churn_round(u32 g)
{
	if (churn_stop) return;
	u32 lo = (u64)g * N / W, hi = (u64)(g + 1) * N / W, n = 0, idx[8], path[4]; u8 at[256]; struct spk *s = &spk[0];
	grp[g].ver = ++cround; grp[g].t = now();
	if (s->off == s->out.n) s->off = s->out.n = 0;
	u32 *pick = xalloc(4 * R);
	while (n < R) { u32 i = lo + below(hi - lo); if (cver[i] != cround) cver[i] = cround, cgrp[i] = g, pick[n++] = i; }
	grp[g].left = R;
	for (u32 i = 0; i < R; i += 5) {
		u32 k = R - i < 5 ? R - i : 5; memcpy(idx, pick + i, 4 * k);
		path[0] = FEEDER_AS(0); path[1] = some_as(); path[2] = some_as(); path[3] = VER_AS + cround;
		u32 c = (1000 + below(60000)) << 16 | below(4000);
		updates(&s->out, at, attrs(at, 0, path, 4, nh_of(0), 0, 0, &c, 1), nh_of(0), idx, k);
	}
	free(pick); flush(s);
}
static void churn(void)
{
	cver = xalloc(4 * N); cgrp = xalloc(4 * N); rtt = xalloc(8u << 20);
	phase_begin(); churning = 1; free(spk[0].out.p); memset(&spk[0].out, 0, sizeof spk[0].out); spk[0].off = 0;
	for (u32 g = 0; g < W; g++) churn_round(g);
	while (now() < t0 + churn_secs && !ndown) poll_once(5);
	double el = now() - t0, cpu = dut_cpu() - cpu0, me = my_cpu() - me0; u64 acked = churn_acked; u32 rd = rounds_done;
	churn_stop = 1;
	double end = now() + 20; u32 left = 1;
	while (left && now() < end && !ndown) { poll_once(5); left = 0; for (u32 g = 0; g < W; g++) left += grp[g].left; }
	u64 m, b, u, n, w; totals(&m, &b, &u, &n, &w); qsort(rtt, rd, 8, cmpd);
	int ok = !left && !ndown && rd > 0; all_ok &= ok;
	J(",\"churn\":{\"ok\":%s,\"secs\":%.3f,\"prefixes_per_s\":%.0f,\"rounds\":%u,\"round_med_s\":%.4f,\"round_max_s\":%.4f,"
	  "\"undelivered\":%u,\"dut_cpu_s\":%.2f,\"load_cpu_s\":%.3f,\"rx_updates\":%lu,\"rx_nlri\":%lu,\"rx_withdrawn\":%lu}",
	  ok ? "true" : "false", el, acked / el, rd, rd ? rtt[rd / 2] : -1, rd ? rtt[rd - 1] : -1, left, cpu, me, u - u0, n - n0, w - w0);
}
/* all clients lose their connections at once, dial again and must get everything anew */
static void restart(void)
{
	feed_on_up = setup = 1;
	for (u32 i = 0; i < nspk; i++) if (!spk[i].fib) drop(&spk[i]), spk[i].t_try = 0;
	flaps = 0;
	phase_begin(); phase_wait("restart");
	if (nest < nspk) all_ok = 0;
	feed_on_up = setup = 0;
}
/* nothing to do but keepalives: what does that cost? */
static void idle(void)
{
	u64 m, b, u, n, w; u32 nd0 = ndown;
	phase_begin();
	while (now() < t0 + idle_secs && ndown == nd0) poll_once(50);
	double el = now() - t0, cpu = dut_cpu() - cpu0;
	totals(&m, &b, &u, &n, &w);
	int ok = ndown == nd0; all_ok &= ok;
	J(",\"idle\":{\"ok\":%s,\"secs\":%.2f,\"dut_cpu_s\":%.2f,\"cpu_s_per_minute\":%.3f,\"rx_msgs\":%lu,\"rx_updates\":%lu}",
	  ok ? "true" : "false", el, cpu, cpu * 60 / el, m - m0, u - u0);
}
/* floors: socket blast into a reader that discards, and our own parser over the same bytes */
static int run_blast(struct buf *b)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }; socklen_t l = sizeof a;
	int ls = socket(AF_INET, SOCK_STREAM, 0), rb = 4 << 20;
	setsockopt(ls, SOL_SOCKET, SO_RCVBUF, &rb, sizeof rb);
	if (bind(ls, (void *)&a, l) || listen(ls, 1) || getsockname(ls, (void *)&a, &l)) die("blast: %s", strerror(errno));
	fflush(stdout); pid_t pid = fork();
	if (!pid) { int fd = accept(ls, NULL, NULL); while (read(fd, rbuf, RB) > 0); _exit(0); }
	int fd = socket(AF_INET, SOCK_STREAM, 0); if (connect(fd, (void *)&a, l)) die("connect: %s", strerror(errno));
	double t = now(), c = my_cpu();
	for (size_t o = 0; o < b->n; ) { ssize_t w = write(fd, b->p + o, b->n - o > 262144 ? 262144 : b->n - o); if (w <= 0) die("write"); o += w; }
	close(fd); waitpid(pid, NULL, 0);
	double tb = now() - t, cb = my_cpu() - c; struct spk *s = &spk[F]; u32 nm = 0;
	s->as4 = 1; t = now(); for (size_t o = 0; o < b->n; o += r16(b->p + o + 16), nm++) message(s, b->p + o, r16(b->p + o + 16));
	double ts = now() - t; badattr = 0;
	printf("{\"prefixes\":%u,\"bytes\":%zu,\"messages\":%u,\"attr_sets\":%u,\"blast_s\":%.4f,\"blast_cpu_s\":%.3f,\"parse_s\":%.4f,\"held\":%u}\n",
	       N, b->n, nm, nset, tb, cb, ts, s->nok);
	return s->nok != N;
}
int main(int ac, char **av)
{
	static const struct option lo[] = { {"dut",1,0,'d'},{"dut-as",1,0,'a'},{"feeders",1,0,'F'},{"sinks",1,0,'K'},{"clients",1,0,'C'},
		{"per-client",1,0,'P'},{"prefixes",1,0,'N'},{"family",1,0,'6'},{"seed",1,0,'s'},{"hold",1,0,'h'},{"event",1,0,'e'},
		{"churn-size",1,0,'R'},{"churn-window",1,0,'W'},{"churn-secs",1,0,'S'},{"limit",1,0,'l'},{"stall",1,0,'L'},{"settle",1,0,'t'},
		{"pids",1,0,'p'},{"listen",1,0,'i'},{"cpu",1,0,'c'},{"blast",0,0,'b'},{"verbose",0,0,'v'},{"watchers",1,0,1},{"slow",1,0,2},
		{"dial",1,0,3},{"fib",1,0,4},{"blocks",0,0,5},{"originated",0,0,6},{"list",0,0,7},{"epoch",1,0,8},{"idle-secs",1,0,9},{0,0,0,0} };
	for (int o; (o = getopt_long(ac, av, "v", lo, NULL)) != -1; ) switch (o) {
	case 'd': { char *c = strchr(optarg, ':'); if (!c) die("--dut ADDR:PORT"); snprintf(dut_addr, sizeof dut_addr, "%.*s", (int)(c - optarg), optarg); dut_port = atoi(c + 1); break; }
	case 'a': dut_as = atoi(optarg); break; case 'F': F = atoi(optarg); break; case 'K': K = atoi(optarg); break;
	case 'C': C = atoi(optarg); break; case 'P': P = atoi(optarg); break; case 'N': N = atoi(optarg); break;
	case '6': family = atoi(optarg); break; case 's': seed = atoll(optarg); break; case 'h': hold = atoi(optarg); break;
	case 'e': event = optarg; break; case 'R': R = atoi(optarg); break; case 'W': W = atoi(optarg); break;
	case 'S': churn_secs = atof(optarg); break; case 'l': limit = atof(optarg); break; case 'L': stall = atof(optarg); break;
	case 't': settle = atof(optarg); break; case 'i': listen_port = atoi(optarg); break; case 'c': cpu_pin = atoi(optarg); break;
	case 'b': blast = 1; break; case 'v': verbose = 1; break; case 1: watchers = atoi(optarg); break; case 2: slow = atoi(optarg); break;
	case 3: dial = atoi(optarg); break; case 4: fib_table = atoi(optarg); break; case 5: blocks = 1; break; case 6: originated = 1; break;
	case 7: list_only = 1; break; case 8: epoch = atof(optarg); break; case 9: idle_secs = atof(optarg); break;
	case 'p': for (char *t = strtok(optarg, ","); t && npids < 256; t = strtok(NULL, ",")) pids[npids++] = atoi(t); break;
	default: return 2; }
	if (cpu_pin >= 0) { cpu_set_t m; CPU_ZERO(&m); CPU_SET(cpu_pin, &m); sched_setaffinity(0, sizeof m, &m); }
	if (blast) F = K = 1, C = 0;
	if (!C && ((!F && !originated && !list_only) || F > 200 || W > 256)) die("need --feeders (1-200), --clients or --originated");
	if ((is_event("failover") || is_event("slow")) && F != 2) die("failover and slow need --feeders 2");
	if (is_event("slow") && slow >= K) die("slow: fewer slow sinks than --sinks");
	if (is_event("churn") && (F != 1 || !K || R * 2 > N / W)) die("churn: one feeder, a sink, N >= 2*R*W");

	/* table and speakers */
	u32 routed = C ? C : F + K;              /* then the watchers, then the FIB */
	rs = seed << 20; nspk = routed + watchers + (fib_table > 0); spk = xalloc(nspk * sizeof *spk); rbuf = xalloc(RB + 65536);
	if (C || blocks) {
		if (C && !P) die("--clients needs --per-client");
		if (C) N = C * P;
		gen_blocks();
	} else if (family == 4) gen4(); else gen6();
	if (!C) gen_sets();
	if (nkey != N) die("internal: %u keys for %u", nkey, N);
	if (list_only) {
		for (u32 i = 0; i < N; i++) { u32 a = htonl(key[i] >> 8); char b[20]; printf("%s/%d\n", inet_ntop(AF_INET, &a, b, sizeof b), (int)(key[i] & 255)); }
		return 0;
	}
	want = xalloc(N); cs = xalloc(8ull * N); memset(want, 1, N); target = C ? N - P : N;
	u64 expect_cs = 0;
	if (F) for (u32 a = 0; a < nset; a++) {
		struct set *s = &set[a]; u32 f = best(a), path[16] = { FEEDER_AS(f) }; memcpy(path + 1, s->path, 4 * s->npath);
		u64 h = attr_hash(s->origin, path, s->npath + 1, s->comm, s->ncomm);
		for (u32 i = 0; i < s->count; i++) { u32 m = member[s->first + i]; want[m] = f + 1; expect_cs += mix(h ^ mix(key[m])); }
	}
	for (u32 i = 0; i < nspk; i++) {
		struct spk *s = &spk[i]; s->id = i; s->fd = s->lfd = -1; s->rest = xalloc(65536);
		if (i >= routed) {
			s->watcher = i < routed + watchers; s->fib = s->sink = !s->watcher; s->as = C ? dut_as : WATCH_AS(i - routed);
		} else {
			s->feeder = C || i < F; s->sink = (C || i >= F) ? 1 + (i == (C ? 0 : F)) : 0;
			s->as = C ? dut_as : i < F ? FEEDER_AS(i) : SINK_AS(i - F);
			s->lazy = i >= routed - slow;
		}
		if (s->sink) s->held = xalloc(N);
	}
	struct buf *feed = feeds = xalloc(nspk * sizeof *feed); u64 feed_bytes = 0;
	for (u32 i = 0; i < nspk; i++) if (spk[i].feeder) {
		if (C) {
			u8 at[64]; u32 *ix = xalloc(4 * P); for (u32 j = 0; j < P; j++) ix[j] = i * P + j;
			updates(&feed[i], at, attrs(at, 0, NULL, 0, nh_of(i), 0, 100, NULL, 0), nh_of(i), ix, P); free(ix);
		} else feed_table(&feed[i], i);
		feed_bytes += feed[i].n;
	}
	if (blast) { recount(); return run_blast(&feed[0]); }

	/* sessions */
	if ((ep = epoll_create1(0)) < 0) die("epoll");
	if (fib_table) open_fib(&spk[nspk - 1]);
	if (listen_port) for (u32 i = 0; i < nspk; i++) start_listen(&spk[i]);
	if (is_event("startup")) {               /* dial until the daemon is there; everything counts from its start */
		retry = 0.01; feed_on_up = 1; phase_begin(); if (epoch) t0 = epoch;
		J("{\"prefixes\":%u,\"attr_sets\":%u,\"feed_bytes\":%lu,\"speakers\":%u,\"phases\":{", N, nset, feed_bytes, nspk);
		phase_wait("startup");
		goto sums;
	}
	double tc = now(), est = 0, calm = 0;
	while (now() < tc + limit) {                             /* all up, and still up half a second later */
		poll_once(20);
		if (nest < nspk) calm = 0;
		else if (!calm) calm = now(), est = calm - tc;
		else if (now() > calm + 0.5) break;
	}
	double cpu_est = dut_cpu(); setup = 0; if (nest == nspk) *errmsg = 0;
	J("{\"prefixes\":%u,\"attr_sets\":%u,\"feed_bytes\":%lu,\"established\":%u,\"speakers\":%u,\"setup_flaps\":%u,\"est_s\":%.4f,\"est_cpu_s\":%.2f,\"phases\":{", N, nset, feed_bytes, nest, nspk, flaps, est, cpu_est);
	if (nest < nspk) { all_ok = 0; snprintf(errmsg, sizeof errmsg, "%u of %u sessions established", nest, nspk); goto out; }

	/* feed */
	phase_begin();
	for (u32 i = 0; i < nspk; i++) if (spk[i].feeder) {
		if (C) start_feed(&spk[i]);
		else { free(spk[i].out.p); spk[i].out = feed[i]; spk[i].off = 0; memset(&feed[i], 0, sizeof feed[i]); }
		if (C) flush(&spk[i]); else set_out(&spk[i], 1);
	}
	phase_wait("feed");
sums:;
	u64 sum = 0; for (u32 i = 0; i < N; i++) sum += cs[i];
	if (all_ok && !is_event("none") && !is_event("startup")) {
		wait_idle();
		if (is_event("churn")) churn();
		else if (is_event("restart")) restart();
		else if (is_event("idle")) idle();
		else {
			memset(want, is_event("withdraw") ? 0 : 2, N);
			phase_begin(); close_feeder(0); ndown--; phase_wait(event);
			if (slow && all_ok) {
				for (u32 i = 0; i < nspk; i++) if (spk[i].paused) pause_sink(&spk[i], 0);
				phase_begin(); phase_wait("catchup");
			}
		}
	}
	J("},\"checksum\":\"%016lx\"", sum);
	if (F && K) J(",\"attrs_ok\":%s", sum == expect_cs ? "true" : "false");
	J(",");
	goto done;
out:
	J("},");
done:
	if (unexpected || badattr) all_ok = 0;     /* reflecting a route back to its client is legal (RFC 4456) */
	J("\"unexpected\":%lu,\"reflected_back\":%lu,\"bad_attrs\":%lu,\"load_cpu_total_s\":%.3f,\"error\":\"%s\",\"ok\":%s}", unexpected, reflected, badattr, my_cpu(), errmsg, all_ok ? "true" : "false");
	puts(js);
	return !all_ok;
}
