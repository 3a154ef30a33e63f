// What a failed request means, and whether it is sent again. Pure: no clock, no network, no
// logging; the caller supplies the time and the chance.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "auto_label_image_grounding/base/clock.h"
#include "auto_label_image_grounding/http/transport.h"

namespace alig {

enum class FailureKind {
  kNone,            // a 2xx: no failure of HTTP
  kTransport,       // no connection, no address, connection broken       retryable
  kTls,             // the endpoint's certificate cannot be trusted
  kLocalFile,       // the image vanished or changed
  kTimeout,         // no answer in time, here (408, 504) or there        retryable
  kRateLimited,     // 429                                                retryable, not counted
  kServer,          // 409, 425, 5xx                                      retryable
  kClient,          // any other status: this request will never be taken
  kAuth,            // 401, 403, or a key that the body calls invalid
  kModel,           // 404, or a model that the body calls unknown
  kQuota,           // 402, or a billing matter or exhausted quota that the body names
  kUnusableAnswer,  // 2xx, but empty, unparseable or too large           retryable, twice
  kTruncated,       // cut off by the token limit: to be split, not to be sent again
  kImageFormat,     // the endpoint does not take the image's format: to be sent in another one
  kRefused,         // the model or its safety filter declines
  kCancelled,
};

// Stable, for failures.jsonl: "rate_limited", "local_file", …
const char* name_of(FailureKind kind);

struct Failure {
  FailureKind kind = FailureKind::kNone;
  int http_status = 0;  // 0: no response
  // One line for people; the provider's words where there are any. Things that look like a key are
  // hidden; the caller, who knows the keys, still passes it through redact().
  std::string message{};
  std::optional<Duration> wait_hint{};  // what the server asks for; at most kLongestWaitHint
  std::optional<bool> should_retry{};   // the header x-should-retry
  bool named_by_provider = false;       // the body itself names a reason that ends the run
};

// For outcomes that are not a 2xx (those give kNone). `wall_now` is for HTTP-dates.
Failure classify(const HttpOutcome& outcome, std::chrono::system_clock::time_point wall_now);

// How long an answer's x-ratelimit headers say that nothing is left for another request: the
// longest x-ratelimit-reset-* whose x-ratelimit-remaining-* is 0. Also of good answers.
std::optional<Duration> time_to_reset(const HttpResponse& response);

struct RetrySettings {
  int max_retries = 5;  // after the first attempt
  Duration backoff_base = std::chrono::milliseconds(500);
  Duration backoff_cap = std::chrono::seconds(60);
  Duration rate_limit_patience = std::chrono::seconds(900);
  int max_unusable_answers = 2;  // tries after an unusable answer; they count as retries too
};

// Of one request, across its attempts.
struct AttemptState {
  int counted_retries = 0;
  int rate_limited = 0;
  int unusable_answers = 0;
};

enum class Verdict { kRetry, kGiveUp, kFatal };

// Why a request is not sent again.
enum class StopReason {
  kNone,  // it is
  kCancelled,
  kFatal,           // the failure ends the run
  kPermanent,       // this request will never be taken
  kServerForbids,   // by x-should-retry
  kRetriesUsedUp,   // RetrySettings::max_retries
  kAnswersUsedUp,   // RetrySettings::max_unusable_answers
  kPatienceUsedUp,  // RetrySettings::rate_limit_patience
};
// For people: "permanent", "retries used up (vlm.max_retries)", …
const char* name_of(StopReason reason);
// Whether the request might have been taken, had it been sent more often.
bool is_exhausted(StopReason reason);

struct Decision {
  Verdict verdict = Verdict::kGiveUp;
  Duration delay{};        // before the next attempt; a waiting request should hold no slot
  bool slow_down = false;  // the endpoint is overloaded: lower the concurrency
  // The wait is bounded by the run's progress, not by max_retries. A hint may be longer than the
  // patience: whoever waits should give up once the run has made no progress for that long.
  bool waits_for_progress = false;
  StopReason reason = StopReason::kNone;
};

// Updates `state` for this failure. `since_last_progress` is the time since the last finished
// record of the whole run; `random01` is in [0, 1). With a wait hint the delay is never shorter
// than it.
Decision decide(const Failure& failure, AttemptState& state, const RetrySettings& settings,
                Duration since_last_progress, double random01);

// A bare 401, 402, 403, 404 or a certificate that cannot be trusted may be a slip of a gateway or
// be about one record; two in a row are about the endpoint. Belongs to the run, not to a request;
// not thread-safe. Feed it what decide() gave up on, and every success.
class FatalTracker {
 public:
  // True: end the run.
  bool on_failure(const Failure& failure);
  void on_success() { suspicious_ = 0; }

 private:
  int suspicious_ = 0;
};

}  // namespace alig
