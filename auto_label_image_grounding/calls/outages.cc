// Endpoints that are out, and endpoints that refuse everything: what the outcomes of several calls
// say together.
#include <algorithm>
#include <utility>

#include <fmt/ranges.h>

#include "auto_label_image_grounding/base/key_names.h"
#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/calls/vlm_caller.h"
#include "auto_label_image_grounding/http/redact.h"

namespace alig {
void VlmCaller::announce_outage(Endpoint& endpoint, const Failure& failure) {
  release_home(endpoint);
  if (std::exchange(endpoint.out_announced, true)) return;
  const bool starting = !endpoint.breaker.has_succeeded();
  parts_.warnings.logger().warning("{} {} ({}): waiting up to {:.0f} s for it ({})",
                                   redact(endpoint.backend.base_url(), parts_.secrets),
                                   starting ? "does not answer yet" : "no longer answers",
                                   failure.message, in_seconds(endpoint.breaker.patience()),
                                   starting ? key::kStartupPatience : key::kOutagePatience);
}

// The run ends when all endpoints have been out for too long.
void VlmCaller::check_patience() {
  const TimePoint now = parts_.clock.now();
  TimePoint ends_at = now;
  for (const auto& endpoint : endpoints_) {
    if (!endpoint->breaker.is_open()) return;
    ends_at = std::max(ends_at, endpoint->breaker.gives_up_at());
  }
  if (ends_at > now) return wake_at(ends_at);
  const Endpoint& endpoint = *endpoints_.front();
  const bool starting = !endpoint.breaker.has_succeeded();
  const std::string waited = fmt::format("{:.0f} s ({})", in_seconds(endpoint.breaker.patience()),
                                         starting ? key::kStartupPatience : key::kOutagePatience);
  const std::string message = with_advice(endpoint, endpoint.last_fault);
  end_run_({RunEnd::Reason::kEndpoint,
            starting ? fmt::format("the endpoint cannot be reached for {}: {}", waited, message)
                     : fmt::format("the endpoint has not answered for {}: {}. Finished samples are "
                                   "kept, run again to go on",
                                   waited, without_full_stop(message))});
}

// Where rate limits have let nothing through for too long: calls that have been refused fail, also
// those that are to be sent again, and those that have not been sent yet would fare no better.
void VlmCaller::check_rate_limit_patience() {
  if (!refused_since_progress_ || throttled_since_ || in_flight() > 0) return;
  const TimePoint ends_at = last_progress_ + limits_.retry.rate_limit_patience;
  if (ends_at > parts_.clock.now()) return wake_at(ends_at);
  end_rate_limited();
}

void VlmCaller::end_rate_limited() {
  std::vector<CallPtr> refused;
  bool others = false;
  const auto look_at = [&](Queues& queues) {
    for (auto& queue : queues.values) {
      std::erase_if(queue, [&](const CallPtr& call) {
        const bool was_refused = call->retry_state.rate_limited > 0;
        if (was_refused) refused.push_back(call);
        others = others || !was_refused;
        return was_refused;
      });
    }
  };
  look_at(ready_);
  for (const auto& endpoint : endpoints_) look_at(endpoint->ready);
  Failure failure = last_refusal_;
  failure.message += fmt::format(", and nothing of the run has progressed for {:.0f} s ({})",
                                 in_seconds(since_progress()), key::kRateLimitPatience);
  for (const CallPtr& call : refused) give_up(call, failure, StopReason::kPatienceUsedUp);
  if (!others || stopped_) return;
  end_run_({RunEnd::Reason::kEndpoint,
            fmt::format("the endpoint's rate limit lets no request through: {}. Finished samples "
                        "are kept, run again to go on",
                        failure.message)});
}

// --- Endpoints that refuse everything ---

// A request that has failed for good may be at fault itself, or the endpoint fails all requests by
// now. The next answer decides, so the call waits for it; unless others were answered between most
// of its failures.
void VlmCaller::doubt(const CallPtr& call, Endpoint& endpoint, const Failure& failure,
                      StopReason reason) {
  constexpr int kOk = 200;
  const bool at_work = failure.http_status == kOk || failure.kind == FailureKind::kRefused ||
                       failure.kind == FailureKind::kUnusableAnswer ||
                       failure.kind == FailureKind::kLocalFile ||
                       failure.kind == FailureKind::kRateLimited;
  if (call->is_control) {
    endpoint.control_under_way = false;
    return at_work ? settle_doubts(endpoint) : end_refused(endpoint, failure);
  }
  const bool others_answered = 2 * call->faults_in_series <= call->faults;
  if (at_work || others_answered || stopped_) return give_up(call, failure, reason);
  endpoint.doubtful.push_back({call, failure, reason});
}

void VlmCaller::settle_doubts(Endpoint& endpoint) {
  for (const DoubtfulCall& doubtful : std::exchange(endpoint.doubtful, {})) {
    endpoint.schemaless_in_vain += doubtful.call->without_schema ? 1 : 0;
    give_up(doubtful.call, doubtful.failure, doubtful.reason);
  }
}

// The endpoint is out: what it did to these calls before says nothing about them.
void VlmCaller::take_back_doubts(Endpoint& endpoint) {
  for (DoubtfulCall& doubtful : std::exchange(endpoint.doubtful, {})) {
    if (may_be_outage(doubtful.failure)) {
      give_back_series(*doubtful.call, endpoint);
      send_again(doubtful.call);
    } else {
      endpoint.doubtful.push_back(std::move(doubtful));
    }
  }
}

// Where no request is under way that could bring the answer, a question that was answered before is
// asked once more.
void VlmCaller::look_at_doubts() {
  constexpr std::size_t kAllOfTheFirst = 3;
  const bool idle = is_idle();
  for (const auto& endpoint : endpoints_) {
    const std::size_t doubts = endpoint->doubtful.size();
    if (doubts == 0 || endpoint->control_under_way || endpoint->breaker.is_open()) continue;
    if (!idle && (doubts < kManyDoubts || endpoint->pace.in_flight() > 0)) continue;
    if (send_control(*endpoint)) continue;
    if (!endpoint->breaker.has_succeeded() && doubts >= kAllOfTheFirst) {
      return end_refused(*endpoint, endpoint->doubtful.front().failure);
    }
    settle_doubts(*endpoint);
  }
}

// Whether nothing has been under way, and nothing will be, for a moment: long enough for the next
// images to be loaded.
bool VlmCaller::is_idle() {
  constexpr Duration kMoment = std::chrono::milliseconds(250);
  const TimePoint now = parts_.clock.now();
  if (in_flight() > 0 || waiting_ > 0) {
    idle_since_.reset();
    return false;
  }
  if (!idle_since_) idle_since_ = now;
  if (now - *idle_since_ >= kMoment) return true;
  wake_at(*idle_since_ + kMoment);
  return false;
}

bool VlmCaller::send_control(Endpoint& endpoint) {
  constexpr int kMost = 4;
  if (!endpoint.answered || endpoint.controls >= kMost) return false;
  auto call = std::make_shared<Call>();
  call->step = endpoint.answered_step;
  call->query = *endpoint.answered;
  call->is_control = true;
  call->home = std::make_shared<CallHome>(CallHome{index_of(endpoint)});
  call->handle_reply = [](const VlmReply&) -> Result<AnswerUse> { return AnswerUse::kUsable; };
  call->done = [&endpoint](const auto&, const auto&) { endpoint.control_under_way = false; };
  auto ticket = endpoint.negotiation.admit(endpoint.backend.optional_parts(call->query));
  if (!ticket) return false;
  call->ticket = std::move(*ticket);
  ++endpoint.controls;
  endpoint.control_under_way = true;
  send(endpoint, std::move(call));
  return true;
}

void VlmCaller::end_refused(const Endpoint& endpoint, const Failure& failure) {
  std::string tried;
  std::vector<std::string> keys;
  for (const OptionalPart& part : endpoint.negotiation.tried_in_vain()) {
    tried += fmt::format("{}{}", tried.empty() ? "" : ", ", part.forms.front());
    keys.emplace_back(part.key);
  }
  if (!tried.empty()) {
    tried = fmt::format(". It is refused without {} as well ({})", tried, fmt::join(keys, ", "));
  }
  end_run_({RunEnd::Reason::kEndpoint,
            fmt::format("the endpoint refuses every request: {}{}. Finished samples are kept",
                        without_full_stop(with_advice(endpoint, failure)), tried)});
}

}  // namespace alig
