// VLM calls from admission to a usable reply: slots, pacing, retries, outages, what the endpoints
// take and do not take.
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
#include <string>
#include <utility>
#include <vector>

#include "auto_label_image_grounding/base/clock.h"
#include "auto_label_image_grounding/base/log.h"
#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/base/warnings.h"
#include "auto_label_image_grounding/calls/call.h"
#include "auto_label_image_grounding/calls/call_counts.h"
#include "auto_label_image_grounding/calls/endpoint.h"
#include "auto_label_image_grounding/calls/event_loop.h"
#include "auto_label_image_grounding/calls/image_demands.h"
#include "auto_label_image_grounding/calls/rate_limit.h"
#include "auto_label_image_grounding/calls/retry_policy.h"
#include "auto_label_image_grounding/calls/run_end.h"
#include "auto_label_image_grounding/calls/thread_pool.h"
#include "auto_label_image_grounding/http/transport.h"
#include "auto_label_image_grounding/vlm/backend.h"

namespace alig {

class VlmCaller;

// A request's place among the requests in flight. Its holder may delay its release, so that a slot
// is freed only when the checkpoint of its answer is in place. Loop thread.
class Slot {
 public:
  Slot(VlmCaller& caller, Endpoint& endpoint, Pace::Ticket ticket)
      : caller_(&caller), endpoint_(&endpoint), ticket_(ticket) {}
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  ~Slot();
  Endpoint& endpoint() const { return *endpoint_; }
  void set_outcome(Pace::Outcome outcome, std::optional<Duration> hint = std::nullopt) {
    outcome_ = outcome;
    hint_ = hint;
  }

 private:
  VlmCaller* caller_;
  Endpoint* endpoint_;
  Pace::Ticket ticket_;
  Pace::Outcome outcome_ = Pace::Outcome::kNeutral;
  std::optional<Duration> hint_;
};

struct CallerLimits {
  int max_in_flight = 1;          // of all endpoints together
  std::int64_t max_requests = 0;  // 0: none
  std::int64_t requests_per_minute = 0;
  std::int64_t tokens_per_minute = 0;
  RetrySettings retry;
  Breaker::Patience patience;
};

// An endpoint, and what an earlier run has learnt about it.
struct EndpointChoice {
  const VlmBackend* backend;  // outlives the caller
  NegotiatedFacts known;
};

class VlmCaller {
 public:
  struct Parts {
    EventLoop& loop;
    ThreadPool& pool;
    const Clock& clock;
    HttpTransport& transport;
    Warnings& warnings;
    std::vector<std::string> secrets;  // hidden in every message
  };
  // `endpoints`: at least one. `end_run` is called when continuing is pointless.
  VlmCaller(Parts parts, std::vector<EndpointChoice> endpoints, ImageFacts images,
            CallerLimits limits, std::function<void(RunEnd)> end_run);

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

  // A call fails with kImageFormat if its image has to be converted, or made to fit these; it can
  // be submitted again then.
  const ImageDemands& image_demands() const { return images_; }

  // Requests, retries, tokens and truncated answers so far.
  const CallCounts& counts() const { return counts_; }
  const std::vector<std::unique_ptr<Endpoint>>& endpoints() const { return endpoints_; }
  int lowest_concurrency() const;
  int in_flight() const;

 private:
  friend class Slot;
  using CallPtr = std::shared_ptr<Call>;
  using SlotPtr = std::shared_ptr<Slot>;
  using Queues = PerStep<std::deque<CallPtr>>;

  // --- Sending ---
  void release(Endpoint& endpoint, Pace::Ticket ticket, Pace::Outcome outcome,
               std::optional<Duration> hint);
  void pump();
  bool send_next(Endpoint& endpoint);
  void send_home(std::deque<CallPtr>& queue);
  bool send_from(Endpoint& endpoint, std::deque<CallPtr>& queue);
  std::size_t index_of(const Endpoint& endpoint) const;
  TimePoint ready_at(Endpoint& endpoint);
  bool may_send(const Call& call);
  bool is_over_requests();
  std::vector<Endpoint*> by_load() const;
  Queues& queues_of(const Call& call);
  void send_again(const CallPtr& call);
  void send_last(const CallPtr& call);
  void release_home(Endpoint& endpoint);
  void wake_at(TimePoint time);
  void send(Endpoint& endpoint, CallPtr call);

  // --- Outcomes ---
  void take_outcome(CallPtr call, SlotPtr slot, HttpOutcome outcome);
  void read_reply(CallPtr call, SlotPtr slot, HttpResponse response);
  void on_reply(const CallPtr& call, SlotPtr slot, const std::optional<VlmReply>& reply,
                const Result<AnswerUse>& verdict);
  Failure judge_reply(const Call& call, const VlmReply& reply, const Result<AnswerUse>& verdict);
  void note_success(Endpoint& endpoint, const Call& call);
  void note_model(Endpoint& endpoint, const VlmReply& reply);
  void note_limits(Endpoint& endpoint, const std::optional<Duration>& pause);
  void on_failed(const CallPtr& call, const SlotPtr& slot, Failure failure,
                 const HttpOutcome& outcome);
  bool is_outage(const CallPtr& call, Endpoint& endpoint, const Failure& failure, bool was_probe);
  bool send_differently(const CallPtr& call, Endpoint& endpoint, const Failure& failure,
                        const HttpOutcome& outcome);
  bool ask_without_schema(const CallPtr& call, const Endpoint& endpoint);
  bool leave_image_to_runner(const Call& call, const Failure& failure);
  void handle_failure(const CallPtr& call, const SlotPtr& slot, Failure failure);
  bool is_unknown_from_the_start(const Failure& failure) const;
  std::string describe_silence(int attempts, const Failure& failure) const;
  void retry_later(const CallPtr& call, const Failure& failure, TimePoint ready_at,
                   bool waits_for_progress);
  void give_up(const CallPtr& call, const Failure& failure, StopReason reason);
  void note_fault(Call& call, Endpoint& endpoint);
  static void give_back_series(Call& call, const Endpoint& endpoint);
  void publish_news(Endpoint& endpoint);

  // --- Outages, and endpoints that refuse everything ---
  static constexpr std::size_t kManyDoubts = 4;
  void check_patience();
  void check_rate_limit_patience();
  void end_rate_limited();
  void announce_outage(Endpoint& endpoint, const Failure& failure);
  void take_back_doubts(Endpoint& endpoint);
  void doubt(const CallPtr& call, Endpoint& endpoint, const Failure& failure, StopReason reason);
  void look_at_doubts();
  bool is_idle();
  void settle_doubts(Endpoint& endpoint);
  bool send_control(Endpoint& endpoint);
  void end_refused(const Endpoint& endpoint, const Failure& failure);

  Duration since_progress() const { return parts_.clock.now() - last_progress_; }
  StepCallCounts& step_counts(const Call& call) { return counts_.steps[call.step]; }
  std::string with_advice(const Endpoint& endpoint, const Failure& failure) const;
  std::string endpoint_advice(const Endpoint& endpoint, FailureKind kind) const;

  Parts parts_;
  CallCounts counts_;
  CallerLimits limits_;
  std::function<void(RunEnd)> end_run_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  ImageDemands images_;
  TokenBucket request_bucket_;
  TokenBucket token_bucket_;
  FatalTracker fatal_tracker_;
  Queues ready_;  // calls without a home, as Endpoint::ready
  TimePoint last_progress_;
  bool refused_since_progress_ = false;       // a call waits, as the endpoint asked
  std::optional<TimePoint> throttled_since_;  // by the limits asked of the run
  Failure last_refusal_;                      // of such a call
  std::optional<TimePoint> idle_since_;
  int waiting_ = 0;                   // calls that will be ready at some time
  std::optional<TimePoint> wake_at_;  // the next look at the queues
  bool stopped_ = false;
  bool answered_once_ = false;  // any HTTP response at all
  std::mt19937_64 random_;
};

}  // namespace alig
