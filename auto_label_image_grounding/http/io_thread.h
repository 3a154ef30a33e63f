// What the operating system has to grant a transport.
#pragma once

#include <functional>
#include <thread>

namespace alig {

// A thread on which all signals are blocked: they are for the program's own threads; and OpenSSL
// may raise SIGPIPE, which then has no effect.
std::thread start_without_signals(std::function<void()> body);

// Raises the soft limit of open files, where it is lower, to a socket and a picture for each
// connection and some more; at most to the hard limit. Failure is ignored: it shows as connect
// errors under load, which are retried.
void raise_file_limit(int max_connections);

}  // namespace alig
