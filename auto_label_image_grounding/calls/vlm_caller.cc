#include "auto_label_image_grounding/calls/vlm_caller.h"

#include <sys/random.h>

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/key_names.h"
#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/http/redact.h"
#include "auto_label_image_grounding/vlm/token_estimate.h"

namespace alig {
namespace {

using Outcome = ConcurrencyLimiter::Outcome;

double estimated_tokens(const VlmQuery& query) {
  constexpr double kAnswer = 300;
  return estimate_text_tokens(static_cast<double>(query.prompt.size())) + kAnswer +
         (query.image ? query.image->tokens : 0);
}

constexpr double kTemperatureStep = 0.1;

// For jitter. Not std::random_device: libstdc++'s takes arc4random, which would bind a program that
// has libstdc++ inside to glibc 2.36.
std::uint64_t random_seed() {
  std::uint64_t seed = 0;
  [[maybe_unused]] const ssize_t ignored = ::getrandom(&seed, sizeof(seed), 0);
  return seed;
}

}  // namespace

Slot::~Slot() { caller_->release(ticket_, outcome_); }

VlmCaller::VlmCaller(Parts parts, CallerLimits limits, std::function<void(RunEnd)> end_run)
    : parts_(std::move(parts)),
      limits_(limits),
      end_run_(std::move(end_run)),
      limiter_(limits_.max_in_flight),
      request_bucket_(static_cast<double>(limits_.requests_per_minute), 1, parts_.clock.now()),
      token_bucket_(static_cast<double>(limits_.tokens_per_minute),
                    std::max(1.0, static_cast<double>(limits_.tokens_per_minute) / 60),
                    parts_.clock.now()),
      last_progress_(parts_.clock.now()),
      random_(random_seed()) {}

void VlmCaller::submit(std::shared_ptr<Call> call) {
  if (stopped_) return;
  auto& queue = queue_of(*call);
  queue.push_back(std::move(call));
  pump();
}

void VlmCaller::stop() {
  stopped_ = true;
  for (auto& queue : ready_.values) queue.clear();
}

void VlmCaller::release(ConcurrencyLimiter::Ticket ticket, Outcome outcome) {
  limiter_.release(ticket, outcome);
  pump();
}

// Whether the limits per minute let the call go now; otherwise looks again when they will.
bool VlmCaller::paced(const Call& call) {
  const double tokens = estimated_tokens(call.query);
  const TimePoint ready_at =
      std::max({request_bucket_.ready_at(1), token_bucket_.ready_at(tokens), paused_until_});
  const TimePoint now = parts_.clock.now();
  if (ready_at <= now) {
    request_bucket_.take(1, now);
    token_bucket_.take(tokens, now);
    return true;
  }
  if (!pacing_timer_set_) {
    pacing_timer_set_ = true;
    parts_.loop.at(ready_at, [this, begun = now] {
      pacing_timer_set_ = false;
      // The run throttled itself: that is not a lack of progress, except in a storm.
      const TimePoint ended = parts_.clock.now();
      if (!refused_since_progress_) {
        last_progress_ = std::min(ended, last_progress_ + (ended - begun));
      }
      pump();
    });
  }
  return false;
}

std::deque<std::shared_ptr<Call>>& VlmCaller::queue_of(const Call& call) {
  return ready_[call.step];
}

std::deque<std::shared_ptr<Call>>* VlmCaller::next_queue() {
  for (auto queue = ready_.values.rbegin(); queue != ready_.values.rend(); ++queue) {
    if (!queue->empty()) return &*queue;
  }
  return nullptr;
}

void VlmCaller::pump() {
  while (!stopped_) {
    auto* queue = next_queue();
    if (queue == nullptr) return;
    if (limits_.max_requests > 0 && counts_.total().requests >= limits_.max_requests) {
      end_run_({RunEnd::Reason::kMaxRequests,
                fmt::format("stopped after {} requests ({}): nothing is lost, run again to go on",
                            limits_.max_requests, key::kMaxRequests)});
      return;
    }
    const auto ticket = limiter_.try_acquire();
    if (!ticket) return;
    if (!paced(*queue->front())) {
      limiter_.release(*ticket, Outcome::kNeutral);
      return;
    }
    std::shared_ptr<Call> call = std::move(queue->front());
    queue->pop_front();
    send(std::move(call), *ticket);
  }
}

void VlmCaller::send(std::shared_ptr<Call> call, ConcurrencyLimiter::Ticket ticket) {
  ++call->attempts;
  ++step_counts(*call).requests;
  if (call->attempts > 1) ++step_counts(*call).retries;
  HttpRequest request = parts_.backend.make_request(call->query, quirks_);
  // The slot is handed on to the loop's events, so that it is freed on the loop's thread.
  auto slot = std::make_shared<Slot>(*this, ticket);
  parts_.transport.send(std::move(request), [this, call = std::move(call),
                                             slot = std::move(slot)](HttpOutcome outcome) mutable {
    take_outcome(std::move(call), std::move(slot), std::move(outcome));
  });
}

// The transport's thread: an answer goes straight to the pool, a failure to the loop.
void VlmCaller::take_outcome(std::shared_ptr<Call> call, std::shared_ptr<Slot> slot,
                             HttpOutcome outcome) {
  Failure failure = classify(outcome, parts_.clock.wall_now());
  if (failure.kind == FailureKind::kNone) {
    return read_reply(std::move(call), std::move(slot), std::move(*outcome));
  }
  parts_.loop.post([this, call = std::move(call), slot = std::move(slot),
                    outcome = std::move(outcome), failure = std::move(failure)] {
    if (outcome) answered_once_ = true;
    if (outcome && adapt(call, *outcome)) return;
    handle_failure(call, slot, failure);
  });
}

// A good answer may say that it was the last for now: the next one waits, instead of being refused.
// Limits are per minute; what claims to last longer is found out by asking.
void VlmCaller::note_limits(const std::optional<Duration>& pause) {
  constexpr Duration kLongest = std::chrono::seconds(60);
  if (!pause) return;
  paused_until_ = std::max(paused_until_, parts_.clock.now() + std::min(*pause, kLongest));
}

// A request that the endpoint refused because of something that can be changed is sent again.
bool VlmCaller::adapt(const std::shared_ptr<Call>& call, const HttpResponse& response) {
  const std::string image_type = call->query.image ? call->query.image->mime_type : "";
  // Another request may have taught us already while this one was in flight: so what a request
  // without any knowledge would learn is asked for.
  const auto taught =
      quirks_after_refusal(response, EndpointQuirks{}, limits_.structured_output, image_type);
  if (!taught) return false;
  const EndpointQuirks before = quirks_;
  learn(*taught);
  constexpr int kMaxAdaptations = 3;
  if (quirks_ == before && call->attempts > kMaxAdaptations) return false;
  ++step_counts(*call).failed_attempts;
  if (!taught->refused_image_types.empty()) {
    call->done(CallFailure{FailureKind::kImageFormat, "the endpoint does not take " + image_type,
                           response.status, call->attempts},
               nullptr);
  } else if (!stopped_) {
    queue_of(*call).push_front(call);
  }
  return true;
}

void VlmCaller::learn(const EndpointQuirks& taught) {
  if (quirks_.structured_output && !taught.structured_output) {
    parts_.warnings.add(
        fmt::format("the endpoint refuses structured output: asked without it from then on ({})",
                    key::kStructuredOutput));
  }
  quirks_.structured_output = quirks_.structured_output && taught.structured_output;
  quirks_.max_completion_tokens = quirks_.max_completion_tokens || taught.max_completion_tokens;
  for (const std::string& type : taught.refused_image_types) {
    if (quirks_.refused_image_types.insert(type).second) {
      parts_.warnings.add("the endpoint refuses " + type +
                          ": such images are transcoded from then on");
    }
  }
}

// Any thread.
void VlmCaller::read_reply(std::shared_ptr<Call> call, std::shared_ptr<Slot> slot,
                           HttpResponse response) {
  auto task = [this, call = std::move(call), slot = std::move(slot),
               response = std::move(response)]() mutable {
    auto reply = parts_.backend.read_reply(response.body);
    Status verdict;
    std::optional<VlmReply> kept;
    if (reply) {
      if (reply->finish == Finish::kComplete) {
        verdict = without_exceptions([&] { return call->handle_reply(*reply); });
      }
      reply->text.clear();
      kept = std::move(*reply);
    } else {
      verdict = tl::unexpected(reply.error());
    }
    parts_.loop.post([this, call = std::move(call), slot = std::move(slot), kept = std::move(kept),
                      verdict = std::move(verdict), pause = time_to_reset(response)]() mutable {
      answered_once_ = true;
      slot->set_outcome(Outcome::kSuccess);
      note_limits(pause);
      on_reply(call, std::move(slot), kept, verdict);
    });
  };
  // Before images that are to be loaded: this one is paid for.
  parts_.pool.submit(std::move(task), ThreadPool::Priority::kFirst);
}

void VlmCaller::on_reply(const std::shared_ptr<Call>& call, std::shared_ptr<Slot> slot,
                         const std::optional<VlmReply>& reply, const Status& verdict) {
  fatal_tracker_.on_success();
  Failure failure;
  if (reply) {
    step_counts(*call).tokens += reply->usage;
    const TokenUsage& used = reply->usage;
    const auto tokens = static_cast<double>(used.input + used.output + used.thinking);
    if (tokens > 0) token_bucket_.correct(tokens - estimated_tokens(call->query));
    if (reply->finish == Finish::kRefused) {
      failure.kind = FailureKind::kRefused;
      failure.message = "the endpoint declined: " + reply->detail;
    } else if (reply->finish == Finish::kTokenLimit) {
      ++counts_.answers_truncated;
      failure.kind =
          call->split_when_truncated ? FailureKind::kTruncated : FailureKind::kUnusableAnswer;
      failure.message = fmt::format("the answer was cut off by the token limit ({} tokens; {}, {})",
                                    parts_.backend.max_output_tokens(), key::kGeminiMaxOutputTokens,
                                    key::kOpenAiMaxTokens);
    }
  }
  if (!verdict && verdict.error().kind != ErrorKind::kData) {
    end_run_(RunEnd::fault(verdict.error()));
    return;
  }
  if (!verdict) {
    failure.kind = FailureKind::kUnusableAnswer;
    failure.message = verdict.error().message;
  }
  if (failure.kind == FailureKind::kNone) {
    call->done(std::nullopt, std::move(slot));
    return;
  }
  constexpr int kOk = 200;
  failure.http_status = kOk;
  handle_failure(call, slot, failure);
}

void VlmCaller::handle_failure(const std::shared_ptr<Call>& call, const std::shared_ptr<Slot>& slot,
                               Failure failure) {
  if (failure.kind != FailureKind::kCancelled) ++step_counts(*call).failed_attempts;
  if (failure.kind == FailureKind::kUnusableAnswer) {
    call->query.raise_temperature += kTemperatureStep;  // not to be asked again unchanged
  }
  failure.message = redact(std::move(failure.message), parts_.secrets);
  const double chance = std::uniform_real_distribution<double>(0, 1)(random_);
  const Decision decision =
      decide(failure, call->retry_state, limits_.retry, since_progress(), chance);
  if (decision.slow_down) slot->set_outcome(Outcome::kOverload);
  parts_.warnings.logger().debug("attempt {}: {} ({}), {}", call->attempts, failure.message,
                                 name_of(failure.kind), name_of(decision.reason));
  if (decision.verdict == Verdict::kRetry) {
    refused_since_progress_ = refused_since_progress_ || decision.waits_for_progress;
    retry_later(call, failure, parts_.clock.now() + decision.delay, decision.waits_for_progress);
    return;
  }
  const bool fatal = decision.verdict == Verdict::kFatal || fatal_tracker_.on_failure(failure);
  if (fatal && !stopped_) {
    end_run_({RunEnd::Reason::kEndpoint, with_advice(failure)});
    return;
  }
  const bool unreachable = !answered_once_ && (failure.kind == FailureKind::kTransport ||
                                               failure.kind == FailureKind::kTls ||
                                               failure.kind == FailureKind::kTimeout);
  if (unreachable && !stopped_) {
    const char* what = failure.kind == FailureKind::kTimeout ? "has not answered once after"
                                                             : "cannot be reached after";
    end_run_({RunEnd::Reason::kEndpoint,
              fmt::format("the endpoint {} {}: {}", what, count_of(call->attempts, "attempt"),
                          with_advice(failure))});
    return;
  }
  give_up(call, failure, decision.reason);
}

void VlmCaller::give_up(const std::shared_ptr<Call>& call, const Failure& failure,
                        StopReason reason) {
  if (failure.kind == FailureKind::kCancelled) return;
  std::string message = failure.message;
  if (is_exhausted(reason)) message += fmt::format(" ({})", count_of(call->attempts, "attempt"));
  call->done(CallFailure{failure.kind, message, failure.http_status, call->attempts}, nullptr);
}

// A request that waits for progress of the run looks at it before its time comes, so that it never
// waits for ever behind a server's hint.
void VlmCaller::retry_later(const std::shared_ptr<Call>& call, const Failure& failure,
                            TimePoint ready_at, bool waits_for_progress) {
  if (stopped_) return;
  TimePoint look_at = ready_at;
  if (waits_for_progress) {
    look_at = std::min(
        ready_at, std::max(last_progress_ + limits_.retry.rate_limit_patience, parts_.clock.now()));
  }
  parts_.loop.at(look_at, [this, call, failure, ready_at, waits_for_progress] {
    if (stopped_) return;
    if (parts_.clock.now() >= ready_at) {
      queue_of(*call).push_front(call);
      pump();
      return;
    }
    if (since_progress() < limits_.retry.rate_limit_patience) {
      retry_later(call, failure, ready_at, waits_for_progress);
      return;
    }
    Failure last = failure;
    last.message += fmt::format(
        "; it asks for a longer wait, and nothing of the run has progressed for {:.0f} s ({})",
        std::chrono::duration<double>(since_progress()).count(), key::kRateLimitPatience);
    give_up(call, last, StopReason::kPatienceUsedUp);
  });
}

std::string VlmCaller::with_advice(const Failure& failure) const {
  const std::string advice = endpoint_advice(failure.kind);
  std::string text = failure.message;
  while (!advice.empty() && !text.empty() && text.back() == '.') text.pop_back();
  return text + advice;
}

std::string VlmCaller::endpoint_advice(FailureKind kind) const {
  switch (kind) {
    case FailureKind::kQuota:
      return ". Check the plan and billing of the account; finished samples are kept, run again "
             "when there is quota";
    case FailureKind::kTls:
      return ". Check the certificate; for a private CA set SSL_CERT_FILE or CURL_CA_BUNDLE";
    case FailureKind::kTimeout:
      return fmt::format(". Check that the server is not stuck, or give it more time ({}, {})",
                         key::kOpenAiTimeout, key::kGeminiTimeout);
    default:
      return parts_.backend.advice_on(kind);
  }
}

}  // namespace alig
