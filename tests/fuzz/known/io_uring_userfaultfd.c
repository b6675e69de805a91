// SPDX-License-Identifier: GPL-2.0
//
// A process that cannot be killed, and a processor that spins: a defect of the kernel (7.3.4), met by the fuzzer, that has nothing
// to do with ptys. See "Fuzzing" in Documentation/testing.rst.
//
// A process submits reads of a regular file into pages that userfaultfd(2) holds back, and is killed meanwhile. A worker of
// io_uring that took the signal while it was idle does one of the reads all the same, and its page fault is tried again for ever.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define PAGES 64

static volatile int *submitting;

static void *map(size_t length, int flags, int fd, off_t offset)
{
	void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, flags, fd, offset);

	if (memory == MAP_FAILED)
		_exit(2);
	return memory;
}

static void victim(const char *path, unsigned int count)
{
	char *held = map(PAGES * PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *plain = map(PAGE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (unsigned long)held, PAGES * PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct io_uring_params params = { 0 };
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	int ring = syscall(SYS_io_uring_setup, PAGES, &params);
	int file = open(path, O_RDONLY);

	if (ring < 0 || file < 0 || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &range))
		_exit(2);
	char *queue = map(params.sq_off.array + params.sq_entries * sizeof(int), MAP_SHARED, ring, IORING_OFF_SQ_RING);
	struct io_uring_sqe *entries = map(params.sq_entries * sizeof(*entries), MAP_SHARED, ring, IORING_OFF_SQES);
	unsigned int *array = (unsigned int *)(queue + params.sq_off.array);
	unsigned int *tail = (unsigned int *)(queue + params.sq_off.tail);

	// The first reads leave workers that are idle.
	for (int last = 0; last < 2; last++) {
		unsigned int reads = last ? count : 24;

		for (unsigned int i = 0; i < reads; i++) {
			unsigned int at = (*tail + i) % params.sq_entries;

			memset(&entries[at], 0, sizeof(*entries));
			entries[at].opcode = IORING_OP_READ;
			entries[at].fd = file;
			entries[at].addr = (unsigned long)(last ? held + i * PAGE : plain);
			entries[at].len = 100;
			array[at] = at;
		}
		*tail += reads;
		*submitting = last;
		syscall(SYS_io_uring_enter, ring, reads, last ? 0 : reads, last ? 0 : IORING_ENTER_GETEVENTS, NULL, 0);
	}
	pause();
}

static long nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000 + now.tv_nsec;
}

int main(void)
{
	const char *path = "/tmp/io_uring_userfaultfd";
	char byte[PAGE] = { 0 };
	int file = open(path, O_CREAT | O_RDWR, 0600);

	submitting = map(PAGE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (write(file, byte, sizeof(byte)) != sizeof(byte))
		return 2;
	for (int try = 0; try < 2000; try++) {
		*submitting = 0;
		pid_t child = fork();

		if (child == 0)
			victim(path, 1 + rand() % 60);
		while (!*submitting)
			if (waitpid(child, NULL, WNOHANG) == child) {
				puts("no userfaultfd or io_uring here");
				return 2;
			}
		for (long until = nanoseconds() + rand() % (rand() % 2 ? 300000 : 3000000); nanoseconds() < until;)
			;
		kill(child, SIGKILL);
		for (int ms = 0; waitpid(child, NULL, WNOHANG) == 0; ms++) {
			if (ms == 20000) {
				printf("try %d: not dead 20 s after it was killed\n", try);
				return 1;
			}
			usleep(1000);
		}
	}
	puts("all died");
	return 0;
}
