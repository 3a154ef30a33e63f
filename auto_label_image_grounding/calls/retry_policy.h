// Whether a failed request is sent again. Pure: no clock, no network, no logging; the caller
// supplies time and randomness.
#pragma once

#include <chrono>

#include "auto_label_image_grounding/base/clock.h"
#include "auto_label_image_grounding/vlm/failure.h"

namespace alig {

struct RetrySettings {
  int max_retries = 5;  // after the first attempt
  Duration backoff_base = std::chrono::milliseconds(500);
  Duration backoff_cap = std::chrono::seconds(60);
  Duration rate_limit_patience = std::chrono::seconds(900);
  int max_unusable_answers = 2;  // retries after an unusable answer; they count as retries too
};

// State of one request across its attempts.
struct AttemptState {
  int counted_retries = 0;
  int rate_limited = 0;
  int overloaded = 0;  // 503 and 529 that others got as well
  int unusable_answers = 0;
};

// What a decision depends on besides the failure and the call.
struct Circumstances {
  Duration since_last_progress{};  // of the whole run: since its last finished record
  bool others_refused = false;     // the endpoint refuses a part of all requests for overload
  double random01 = 0;             // in [0, 1)
};

enum class Verdict { kRetry, kGiveUp, kFatal };

// Why a request is not sent again.
enum class StopReason {
  kNone,  // it is
  kCancelled,
  kFatal,           // the failure ends the run
  kPermanent,       // this request will never be accepted
  kServerForbids,   // by x-should-retry
  kRetriesUsedUp,   // RetrySettings::max_retries
  kAnswersUsedUp,   // RetrySettings::max_unusable_answers
  kPatienceUsedUp,  // RetrySettings::rate_limit_patience
};
// For messages: "permanent", "retries used up (image_grounding.vlm.max_retries)", …
std::string name_of(StopReason reason);
// Whether more attempts might have succeeded.
bool is_exhausted(StopReason reason);

struct Decision {
  Verdict verdict = Verdict::kGiveUp;
  Duration delay{};        // before the next attempt; a waiting request must not hold a slot
  bool slow_down = false;  // the endpoint is overloaded: lower the concurrency
  // The wait is bounded by the run's progress, not by max_retries. A hint may exceed the patience:
  // the caller should give up once the run has made no progress for that long.
  bool waits_for_progress = false;
  StopReason reason = StopReason::kNone;
};

// Updates `state` for this failure. The delay is never shorter than a wait hint.
Decision decide(const Failure& failure, AttemptState& state, const RetrySettings& settings,
                const Circumstances& circumstances);

// A bare 401, 402, 403, 404 or an untrusted certificate may be a gateway's glitch or concern one
// record; two in a row concern the endpoint. One per run, not per request; not thread-safe. Pass it
// every failure that decide() gave up on, and every success.
class FatalTracker {
 public:
  // True: end the run.
  bool on_failure(const Failure& failure);
  void on_success() { suspicious_ = 0; }

 private:
  int suspicious_ = 0;
};

}  // namespace alig
