// The transport over libcurl.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "auto_label_image_grounding/http/transport.h"

namespace alig {

struct CurlTransportOptions {
  // Requests on the wire at once, and connections kept alive; more requests wait in line.
  int max_connections = 64;
  std::uint64_t max_response_bytes = 64ULL << 20;  // after decompression
  std::string user_agent{};
  std::chrono::milliseconds connect_timeout{10000};
};

// One I/O thread serves all requests: keep-alive, HTTP/2 over TLS where offered, gzip. Redirects
// are not followed (a key must not travel to another host) and are ordinary responses. TLS is
// verified; CURL_CA_BUNDLE, SSL_CERT_FILE, SSL_CERT_DIR and the proxy variables count (no proxy for
// loopback). No request is sent twice: a kept-alive connection that had been closed in the meantime
// and gave no byte of an answer is kReset.
//
// Raises this process's soft limit of open files where max_connections needs it; where the hard
// limit has no room for them, as many connections as it has room for are used. The destructor
// cancels what is pending and joins the thread; it must not run on the I/O thread. Should the
// thread fail by an exception (also one out of a `done`), every pending and later request ends with
// kOther. Throws std::runtime_error where libcurl cannot be initialised.
std::unique_ptr<HttpTransport> make_curl_transport(const CurlTransportOptions& options);

}  // namespace alig
