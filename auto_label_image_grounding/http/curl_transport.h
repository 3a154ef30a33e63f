// The transport over libcurl.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "auto_label_image_grounding/http/transport.h"

namespace alig {

struct CurlTransportOptions {
  // Concurrent requests, and connections kept alive; further requests are queued.
  int max_connections = 64;
  std::uint64_t max_response_bytes = 64ULL << 20;  // after decompression
  std::string user_agent{};
  std::chrono::milliseconds connect_timeout{10000};
  // How soon after its start a request's end may count as kUnprocessed.
  std::chrono::milliseconds unprocessed_within{5000};
};

// One I/O thread serves all requests: keep-alive, HTTP/2 over TLS where offered, gzip. Redirects
// are not followed (a key must not travel to another host) and are ordinary responses. TLS is
// verified; CURL_CA_BUNDLE, SSL_CERT_FILE, SSL_CERT_DIR and the proxy variables are honoured (no
// proxy for loopback). What a proxy does wrong is a fault that names it, also its status 407. No
// request is sent twice: one that the server refused (HTTP/2: GOAWAY, REFUSED_STREAM), or that met
// the end of a connection which had carried requests before, ends with kUnprocessed, unless a byte
// of an answer had arrived or it had been under way for long. Where that happens to more than one
// in ten, requests share no HTTP/2 connections for the next thousand answers or more.
//
// Raises this process's soft limit of open files if max_connections needs it; if the hard limit is
// too low, uses as many connections as it allows. The destructor cancels pending requests and joins
// the thread; it must not run on the I/O thread. If the thread fails with an exception (also one
// from a `done`), every pending and later request ends with kOther. Throws std::runtime_error if
// libcurl cannot be initialised.
std::unique_ptr<HttpTransport> make_curl_transport(const CurlTransportOptions& options);

}  // namespace alig
