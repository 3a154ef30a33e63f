// Operating system settings for a transport.
#pragma once

#include <functional>
#include <thread>

namespace alig {

// A thread with all signals blocked: they are meant for the program's own threads; and OpenSSL may
// raise SIGPIPE, which then has no effect.
std::thread start_without_signals(std::function<void()> body);

// Raises the soft limit of open files, if it is lower, to a socket and an image per connection plus
// some more; at most to the hard limit. Returns the number of connections, from one to
// `max_connections`, that this allows: sockets must leave room for checkpoints, since failing to
// open one ends the run.
int raise_file_limit(int max_connections);

}  // namespace alig
