/* SPDX-License-Identifier: MIT */
/*
 * load PORT CONNECTIONS BATCHES REPLY_BYTES < REQUEST: sends REQUEST on each of so many connections, reads REPLY_BYTES
 * from each, and does both BATCHES times.  Always the same work for a server, whatever the protocol, and it is one
 * request per connection behind at most: what it measures cannot depend on how fast it is itself.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 64

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct timeval patience = {10, 0};
	static char request[65536], reply[65536];
	int fd[MOST], connections, on = 1;
	size_t wanted;
	ssize_t size;

	if (argc != 5 || (size = read(0, request, sizeof request)) <= 0)
		return 2;
	to.sin_port = htons((uint16_t)atoi(argv[1]));
	connections = atoi(argv[2]);
	wanted = (size_t)atol(argv[4]);
	if (connections > MOST)
		return 2;
	for (int c = 0; c < connections; c++) {
		fd[c] = socket(AF_INET, SOCK_STREAM, 0);
		setsockopt(fd[c], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		setsockopt(fd[c], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
		setsockopt(fd[c], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
		if (connect(fd[c], (struct sockaddr *)&to, sizeof to) < 0)
			return perror("connect"), 1;
	}
	for (long batch = 0, batches = atol(argv[3]); batch < batches; batch++) {
		for (int c = 0; c < connections; c++)
			if (write(fd[c], request, (size_t)size) != size)
				return perror("write"), 1;
		for (int c = 0; c < connections; c++)
			for (size_t got = 0; got < wanted;) {
				ssize_t n = read(fd[c], reply, sizeof reply);

				if (n <= 0)
					return perror("read"), 1;
				got += (size_t)n;
				if (got > wanted)
					return fprintf(stderr, "a reply of another size\n"), 1;
			}
	}
	return 0;
}
