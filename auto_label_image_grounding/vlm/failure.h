// What a failed request means. Pure: no clock, no network, no logging.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "auto_label_image_grounding/base/clock.h"
#include "auto_label_image_grounding/http/transport.h"

namespace alig {

enum class FailureKind {
  kNone,            // a 2xx: not an HTTP failure
  kTransport,       // no connection, no address, connection broken       retryable
  kTls,             // the endpoint's certificate cannot be trusted
  kLocalFile,       // the image vanished or changed
  kTimeout,         // no answer in time, here (408, 504) or there        retryable
  kRateLimited,     // 429                                                retryable, not counted
  kServer,          // 409, 425, 5xx                                      retryable
  kClient,          // any other status: this request will never be accepted
  kProxy,           // the proxy before the endpoint denies the request
  kAuth,            // 401, 403, or a key that the body calls invalid
  kModel,           // 404, or a model that the body calls unknown
  kQuota,           // 402, or a billing matter or exhausted quota that the body names
  kUnusableAnswer,  // 2xx, but empty, unparseable or too large           retryable, twice
  kTruncated,       // cut off by the token limit: split it, do not repeat it
  kImageFormat,     // the endpoint does not accept the image's format: send another one
  kRefused,         // the model or its safety filter declines
  kCancelled,
};

// Stable, for failures.jsonl: "rate_limited", "local_file", …
const char* name_of(FailureKind kind);
// Whether such a request may succeed when sent again.
bool is_retryable(FailureKind kind);
// Whether several such failures in a row concern the endpoint and not one record.
bool is_suspicious(FailureKind kind);

struct Failure {
  FailureKind kind = FailureKind::kNone;
  int http_status = 0;  // 0: no response
  // One line for the user, with the provider's words if there are any. Anything that looks like a
  // key is hidden; the caller, who knows the keys, must still pass it through redact().
  std::string message{};
  std::optional<Duration> wait_hint{};  // as asked by the server; at most kLongestWaitHint
  std::optional<bool> should_retry{};   // the header x-should-retry
  // The answer itself shows that the run is pointless: a reason that its body names, a redirect, a
  // proxy's refusal.
  bool ends_run = false;
  std::string advice{};                         // what to do, in place of the advice for its kind
  std::optional<TransportFault::Kind> fault{};  // where there was no response
};

// For outcomes that are not a 2xx (those give kNone). `wall_now` is for HTTP-dates.
Failure classify(const HttpOutcome& outcome, std::chrono::system_clock::time_point wall_now);

// Whether the endpoint is overloaded.
bool means_overload(const Failure& failure);
// Whether an endpoint that is out would cause it as well.
bool may_be_outage(const Failure& failure);
// Whether the server cannot have worked on the request, or need not have.
bool is_unprocessed(const Failure& failure);

}  // namespace alig
