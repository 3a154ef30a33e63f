// What the operating system has to grant a transport.
#pragma once

#include <functional>
#include <thread>

namespace alig {

// A thread on which all signals are blocked: they are for the program's own threads; and OpenSSL
// may raise SIGPIPE, which then has no effect.
std::thread start_without_signals(std::function<void()> body);

// Raises the soft limit of open files, where it is lower, to a socket and an image for each
// connection and some more; at most to the hard limit. Returns for how many connections, at most
// `max_connections` and at least one, there is room then: sockets must leave files for checkpoints,
// for one that cannot be opened ends the run.
int raise_file_limit(int max_connections);

}  // namespace alig
