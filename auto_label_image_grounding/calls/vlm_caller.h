// VLM calls from admission to a usable reply: slots, pacing, retries, limits of the endpoint.
//
// Everything here runs on the event loop's thread, except Call::handle_reply (a pool thread) and
// passing the answer to it (the transport's thread).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "auto_label_image_grounding/base/clock.h"
#include "auto_label_image_grounding/base/log.h"
#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/base/warnings.h"
#include "auto_label_image_grounding/calls/call_counts.h"
#include "auto_label_image_grounding/calls/event_loop.h"
#include "auto_label_image_grounding/calls/rate_limit.h"
#include "auto_label_image_grounding/calls/retry_policy.h"
#include "auto_label_image_grounding/calls/run_end.h"
#include "auto_label_image_grounding/calls/thread_pool.h"
#include "auto_label_image_grounding/http/transport.h"
#include "auto_label_image_grounding/spec/spec.h"
#include "auto_label_image_grounding/vlm/backend.h"

namespace alig {

// Why a call has no usable reply.
struct CallFailure {
  FailureKind kind = FailureKind::kNone;
  std::string message;
  int http_status = 0;
  int attempts = 0;
};

class VlmCaller;

// A request's place among the requests in flight. Its holder may delay its release, so that a slot
// is freed only when the checkpoint of its answer is in place. Loop thread.
class Slot {
 public:
  Slot(VlmCaller& caller, ConcurrencyLimiter::Ticket ticket) : caller_(&caller), ticket_(ticket) {}
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  ~Slot();
  void set_outcome(ConcurrencyLimiter::Outcome outcome) { outcome_ = outcome; }

 private:
  VlmCaller* caller_;
  ConcurrencyLimiter::Ticket ticket_;
  ConcurrencyLimiter::Outcome outcome_ = ConcurrencyLimiter::Outcome::kNeutral;
};

struct Call {
  Step step = Step::kExtraction;
  VlmQuery query;
  // If set, a truncated answer ends the call at once (it is split); otherwise it is asked for
  // again.
  bool split_when_truncated = false;
  // Called on a pool thread with a complete reply, perhaps several times, never concurrently.
  // kData: the answer is unusable, ask again. Any other error ends the run.
  std::function<Status(const VlmReply&)> handle_reply;
  // Called once, on the loop's thread: the last reply was judged usable, or the call has failed.
  // The slot is freed when the last copy of the pointer is gone; it is null for a failure.
  std::function<void(const std::optional<CallFailure>&, std::shared_ptr<Slot>)> done;

  int attempts = 0;  // requests sent
  AttemptState retry_state;
};

struct CallerLimits {
  int max_in_flight = 1;
  std::int64_t max_requests = 0;  // 0: none
  std::int64_t requests_per_minute = 0;
  std::int64_t tokens_per_minute = 0;
  StructuredOutput structured_output = StructuredOutput::kAuto;
  RetrySettings retry;
};

class VlmCaller {
 public:
  struct Parts {
    EventLoop& loop;
    ThreadPool& pool;
    const Clock& clock;
    HttpTransport& transport;
    const VlmBackend& backend;
    Warnings& warnings;
    std::vector<std::string> secrets;  // hidden in every message
  };
  // `end_run` is called when continuing is pointless.
  VlmCaller(Parts parts, CallerLimits limits, std::function<void(RunEnd)> end_run);

  // Step-1 calls go before waiting step-0 calls: an image in progress is finished while the server
  // still has it in its prefix cache.
  void submit(std::shared_ptr<Call> call);
  // No new requests; waiting calls are silently dropped. Requests in flight may finish.
  void stop();
  // A record made progress without failing: rate-limited calls may keep waiting.
  void note_progress() {
    last_progress_ = parts_.clock.now();
    refused_since_progress_ = false;
  }

  // MIME types that the endpoint has refused so far. A call with such an image fails with
  // kImageFormat; it can be submitted again with another.
  const std::set<std::string>& refused_image_types() const { return quirks_.refused_image_types; }

  // Requests, retries, tokens and truncated answers so far.
  const CallCounts& counts() const { return counts_; }
  int lowest_concurrency() const { return limiter_.lowest_limit(); }
  int in_flight() const { return limiter_.in_flight(); }

 private:
  friend class Slot;
  void release(ConcurrencyLimiter::Ticket ticket, ConcurrencyLimiter::Outcome outcome);
  void pump();
  std::deque<std::shared_ptr<Call>>& queue_of(const Call& call);
  std::deque<std::shared_ptr<Call>>* next_queue();
  bool paced(const Call& call);
  void send(std::shared_ptr<Call> call, ConcurrencyLimiter::Ticket ticket);
  void take_outcome(std::shared_ptr<Call> call, std::shared_ptr<Slot> slot, HttpOutcome outcome);
  void read_reply(std::shared_ptr<Call> call, std::shared_ptr<Slot> slot, HttpResponse response);
  void on_reply(const std::shared_ptr<Call>& call, std::shared_ptr<Slot> slot,
                const std::optional<VlmReply>& reply, const Status& verdict);
  void handle_failure(const std::shared_ptr<Call>& call, const std::shared_ptr<Slot>& slot,
                      Failure failure);
  void retry_later(const std::shared_ptr<Call>& call, const Failure& failure, TimePoint ready_at,
                   bool waits_for_progress);
  void give_up(const std::shared_ptr<Call>& call, const Failure& failure, StopReason reason);
  bool adapt(const std::shared_ptr<Call>& call, const HttpResponse& response);
  void learn(const EndpointQuirks& taught);
  void note_limits(const std::optional<Duration>& pause);
  Duration since_progress() const { return parts_.clock.now() - last_progress_; }
  StepCallCounts& step_counts(const Call& call) { return counts_.steps[call.step]; }
  std::string with_advice(const Failure& failure) const;
  std::string endpoint_advice(FailureKind kind) const;

  Parts parts_;
  CallCounts counts_;
  CallerLimits limits_;
  std::function<void(RunEnd)> end_run_;
  ConcurrencyLimiter limiter_;
  TokenBucket request_bucket_;
  TokenBucket token_bucket_;
  FatalTracker fatal_tracker_;
  EndpointQuirks quirks_;
  // By step, each in the order of submission; calls to be sent again come before the others.
  PerStep<std::deque<std::shared_ptr<Call>>> ready_;
  TimePoint last_progress_;
  bool refused_since_progress_ = false;  // a call waits, as the endpoint asked
  TimePoint paused_until_;               // the endpoint has no quota left until then
  bool stopped_ = false;
  bool pacing_timer_set_ = false;
  bool answered_once_ = false;  // any HTTP response at all
  std::mt19937_64 random_;
};

}  // namespace alig
