// HTTP as an interface: what the VLM backends need, independent of the library below.
//
// An HTTP error status is an ordinary response; only a missing response is a fault.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <tl/expected.hpp>

namespace alig {

// The body is described, not held: a waiting request costs a path, not an image. Images are
// base64-encoded (RFC 4648, padded, no line breaks) while they are sent.
struct Base64File {
  std::filesystem::path path;
  std::uint64_t size = 0;  // bytes of the file when the request was made; checked when it is sent
};
struct Base64Bytes {
  std::shared_ptr<const std::string> bytes;  // null counts as empty
};
using BodyPart = std::variant<std::string, Base64File, Base64Bytes>;
using RequestBody = std::vector<BodyPart>;

// Bytes on the wire (images in their encoded size): the Content-Length.
std::uint64_t body_size(const RequestBody& body);

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method = "POST";
  std::string url;
  HttpHeaders headers{};
  RequestBody body{};
  // For the whole request, from its start (not from send(), as it may wait for a connection) to the
  // last byte of the answer. Positive.
  std::chrono::milliseconds timeout{60000};
};

struct HttpResponse {
  int status = 0;
  HttpHeaders headers{};  // names in lower case, in the order of arrival
  std::string body{};     // decompressed

  // The first header of that (lower-case) name, or null. Owned by the response.
  const std::string* header(std::string_view name) const;
};

struct TransportFault {
  enum class Kind {
    kConnect,         // no connection: refused, unreachable, timed out, handshake aborted
    kDns,             // the host name has no address
    kTimeout,         // connected, but no complete answer in time
    kReset,           // the connection broke before the answer was complete
    kUnprocessed,     // a connection in use before ended without a sign of work on the request
    kTls,             // the certificate cannot be trusted, or the CA bundle cannot be read
    kTooLarge,        // the answer is larger than the transport's limit
    kLocalFile,       // an image vanished, changed size, or cannot be read
    kProxy,           // the proxy denies the request (403, 407 …), or its URL is none
    kInvalidRequest,  // cannot be sent at all: malformed URL, header with a line break
    kCancelled,
    kOther,
  };
  Kind kind = Kind::kOther;
  std::string message{};  // for the user; contains no header values
  std::string advice{};   // what to do, to be appended (". Check …"), where the transport knows
};

const char* name_of(TransportFault::Kind kind);

// Finds a header with a line break or another control character (kInvalidRequest). For
// implementations.
std::optional<TransportFault> find_bad_header(const HttpRequest& request);

using HttpOutcome = tl::expected<HttpResponse, TransportFault>;

class HttpTransport {
 public:
  using Done = std::function<void(HttpOutcome)>;

  virtual ~HttpTransport() = default;

  // May be called from any thread, also from `done`. `done` is called exactly once, on the
  // transport's I/O thread; it must not block, and must not destroy the transport.
  virtual void send(HttpRequest request, Done done) = 0;

  // Every request that was sent before this call and is still pending ends with kCancelled, soon
  // and on the I/O thread. Later requests are not affected. May be called from any thread.
  virtual void cancel_all() = 0;
};

}  // namespace alig
