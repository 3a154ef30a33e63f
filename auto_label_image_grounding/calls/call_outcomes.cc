// What becomes of a request's outcome: an answer to be read, the same request once more or in
// another form, a wait for the endpoint, the failure of the call, or the end of the run.
#include <algorithm>
#include <utility>

#include <fmt/ranges.h>

#include "auto_label_image_grounding/base/key_names.h"
#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/calls/vlm_caller.h"
#include "auto_label_image_grounding/http/redact.h"
#include "auto_label_image_grounding/vlm/token_estimate.h"
#include "auto_label_image_grounding/vlm/wait_hint.h"

namespace alig {
namespace {

using Outcome = Pace::Outcome;

constexpr int kOk = 200;
constexpr int kAccepted = 202;
constexpr int kContentTooLarge = 413;
constexpr int kInternalError = 500;

// Whether the refusal may concern the form of the request: what it carries, and how.
bool may_be_about_form(int status) {
  constexpr int kStatuses[] = {400, 405, 415, 422, kInternalError, 501};
  return std::find(std::begin(kStatuses), std::end(kStatuses), status) != std::end(kStatuses);
}

// Before an endpoint's first answer, it also speaks of a server that is starting.
Breaker::Evidence evidence_of(const Failure& failure, bool has_succeeded) {
  const int status = failure.http_status;
  const bool nobody = failure.fault == TransportFault::Kind::kConnect ||
                      failure.fault == TransportFault::Kind::kDns;
  const bool loading = !has_succeeded && failure.kind == FailureKind::kServer &&
                       (status == kAccepted || status > kInternalError);
  return nobody || loading ? Breaker::Evidence::kCertain : Breaker::Evidence::kAmbiguous;
}

}  // namespace

// The transport's thread: an answer goes straight to the pool, a failure to the loop.
void VlmCaller::take_outcome(CallPtr call, SlotPtr slot, HttpOutcome outcome) {
  Failure failure = classify(outcome, parts_.clock.wall_now());
  if (failure.kind == FailureKind::kNone) {
    return read_reply(std::move(call), std::move(slot), std::move(*outcome));
  }
  parts_.loop.post([this, call = std::move(call), slot = std::move(slot),
                    outcome = std::move(outcome), failure = std::move(failure)] {
    if (outcome) answered_once_ = true;
    on_failed(call, slot, failure, outcome);
  });
}

// A good answer may say that it was the last for now: the next one waits, instead of being refused.
// Limits are per minute; what claims to last longer is found out by asking.
void VlmCaller::note_limits(Endpoint& endpoint, const std::optional<Duration>& pause) {
  constexpr Duration kLongest = std::chrono::seconds(60);
  if (pause) endpoint.pace.pause_until(parts_.clock.now() + std::min(*pause, kLongest));
}

// Any thread.
void VlmCaller::read_reply(CallPtr call, SlotPtr slot, HttpResponse response) {
  auto task = [this, call = std::move(call), slot = std::move(slot),
               response = std::move(response)]() mutable {
    auto reply = slot->endpoint().backend.read_reply(response.body);
    Result<AnswerUse> verdict = AnswerUse::kUsable;
    std::optional<VlmReply> kept;
    if (reply) {
      if (reply->finish == Finish::kComplete) {
        const Status status = without_exceptions([&]() -> Status {
          verdict = call->handle_reply(*reply);
          return {};
        });
        if (!status) verdict = tl::unexpected(status.error());
      }
      reply->text.clear();
      kept = std::move(*reply);
    } else {
      verdict = tl::unexpected(reply.error());
    }
    parts_.loop.post([this, call = std::move(call), slot = std::move(slot), kept = std::move(kept),
                      verdict = std::move(verdict),
                      pause = time_to_reset(response.headers, parts_.clock.wall_now())]() mutable {
      answered_once_ = true;
      slot->set_outcome(Outcome::kAccepted);
      note_limits(slot->endpoint(), pause);
      on_reply(call, std::move(slot), kept, verdict);
    });
  };
  // Before images that are to be loaded: this one is paid for.
  parts_.pool.submit(std::move(task), ThreadPool::Priority::kFirst);
}

void VlmCaller::on_reply(const CallPtr& call, SlotPtr slot, const std::optional<VlmReply>& reply,
                         const Result<AnswerUse>& verdict) {
  Endpoint& endpoint = slot->endpoint();
  note_success(endpoint, *call);
  if (reply) {
    step_counts(*call).tokens += reply->usage;
    const TokenUsage& used = reply->usage;
    const auto tokens = static_cast<double>(used.input + used.output + used.thinking);
    if (tokens > 0) token_bucket_.correct(tokens - estimate_tokens(call->query));
    note_model(endpoint, *reply);
  }
  if (!verdict && verdict.error().kind != ErrorKind::kData) {
    end_run_(RunEnd::fault(verdict.error()));
    return;
  }
  if (call->is_control) return call->done(std::nullopt, std::move(slot));  // any answer will do
  Failure failure = reply ? judge_reply(*call, *reply, verdict) : Failure();
  if (!verdict) {
    failure.kind = FailureKind::kUnusableAnswer;
    failure.message = verdict.error().message;
  }
  if (failure.kind == FailureKind::kNone) {
    call->done(std::nullopt, std::move(slot));
    return;
  }
  failure.http_status = kOk;
  failure.message = redact(std::move(failure.message), parts_.secrets);
  note_fault(*call, endpoint);
  handle_failure(call, slot, failure);
}

// What the endpoint says about its answer's end, and what the answer shows of it: where tokens are
// not counted, one that breaks off was cut off by the limit.
Failure VlmCaller::judge_reply(const Call& call, const VlmReply& reply,
                               const Result<AnswerUse>& verdict) {
  Failure failure;
  if (reply.finish == Finish::kRefused) {
    failure.kind = FailureKind::kRefused;
    failure.message = "the endpoint declined: " + reply.detail;
    return failure;
  }
  const VlmBackend& backend = endpoints_.front()->backend;
  const auto limit = static_cast<double>(backend.max_output_tokens());
  const auto used = static_cast<double>(reply.usage.output + reply.usage.thinking);
  constexpr double kNearly = 0.9;
  const bool breaks_off = verdict && *verdict == AnswerUse::kBreaksOff;
  const bool by_limit = used == 0 || used >= kNearly * limit;
  if (reply.finish == Finish::kTokenLimit || (breaks_off && by_limit)) {
    ++counts_.answers_truncated;
    failure.kind =
        call.split_when_truncated ? FailureKind::kTruncated : FailureKind::kUnusableAnswer;
    failure.message = fmt::format("the answer was cut off by the token limit ({} tokens; {}, {})",
                                  backend.max_output_tokens(), key::kGeminiMaxOutputTokens,
                                  key::kOpenAiMaxTokens);
  } else if (breaks_off) {
    failure.kind = FailureKind::kUnusableAnswer;
    failure.message = "the answer breaks off";
  }
  return failure;
}

void VlmCaller::note_success(Endpoint& endpoint, const Call& call) {
  fatal_tracker_.on_success();
  endpoint.overload.note(false);
  endpoint.negotiation.accepted(call.ticket);
  if (call.is_control && endpoint.breaker.is_open()) {
    endpoint.breaker.on_false_alarm(parts_.clock.now());
  } else {
    endpoint.breaker.on_success(parts_.clock.now());
  }
  if (call.query.image && !call.query.image->file_url) images_.on_accepted(*call.query.image);
  if (!call.is_control) {
    endpoint.answered = call.query;
    endpoint.answered_step = call.step;
  }
  publish_news(endpoint);
  if (std::exchange(endpoint.out_announced, false)) {
    parts_.warnings.logger().warning("{} answers again: going on",
                                     redact(endpoint.backend.base_url(), parts_.secrets));
  }
  settle_doubts(endpoint);
}

void VlmCaller::publish_news(Endpoint& endpoint) {
  for (std::string& news : endpoint.negotiation.take_news()) parts_.warnings.add(std::move(news));
  for (std::string& news : images_.take_news()) parts_.warnings.add(std::move(news));
}

// Replicas serve one model: labels of two in one file would be worth less than either's.
void VlmCaller::note_model(Endpoint& endpoint, const VlmReply& reply) {
  if (!endpoint.model.empty() || reply.model.empty()) return;
  endpoint.model = reply.model;
  for (const auto& other : endpoints_) {
    if (other->model.empty() || other->model == endpoint.model) continue;
    end_run_({RunEnd::Reason::kEndpoint,
              redact(fmt::format("{} answers with the model {}, but {} with {}: {} takes replicas "
                                 "of one model",
                                 other->backend.base_url(), other->model,
                                 endpoint.backend.base_url(), endpoint.model, key::kOpenAiBaseUrl),
                     parts_.secrets)});
    return;
  }
}

// --- Failures ---

void VlmCaller::on_failed(const CallPtr& call, const SlotPtr& slot, Failure failure,
                          const HttpOutcome& outcome) {
  Endpoint& endpoint = slot->endpoint();
  failure.message = redact(std::move(failure.message), parts_.secrets);
  const bool was_probe = std::exchange(call->is_probe, false);
  if (failure.kind == FailureKind::kCancelled) {
    endpoint.negotiation.inconclusive(call->ticket);
    return;
  }
  note_fault(*call, endpoint);
  if (send_differently(call, endpoint, failure, outcome)) {
    if (was_probe) endpoint.breaker.end_probe(parts_.clock.now());
    return publish_news(endpoint);
  }
  if (is_outage(call, endpoint, failure, was_probe)) return;
  handle_failure(call, slot, std::move(failure));
}

// Whether the request may be taken in another form, and is sent so.
bool VlmCaller::send_differently(const CallPtr& call, Endpoint& endpoint, const Failure& failure,
                                 const HttpOutcome& outcome) {
  const int status = failure.http_status;
  // A server error may pass: it is the form's only if the same request gets it again.
  const bool passes = status == kInternalError && call->server_errors++ == 0;
  if (failure.ends_run || passes || (!may_be_about_form(status) && status != kContentTooLarge)) {
    endpoint.negotiation.inconclusive(call->ticket);
    return false;
  }
  const auto& image = call->query.image;
  const bool rare_type = image && !image->file_url && image->mime_type != "image/jpeg" &&
                         image->mime_type != "image/png" && !images_.has_taken(image->mime_type);
  if (status == kContentTooLarge || (rare_type && image->converted_from.empty())) {
    endpoint.negotiation.inconclusive(call->ticket);
    return leave_image_to_runner(*call, failure);
  }
  if (endpoint.negotiation.refused(call->ticket, outcome->body)) {
    send_again(call);
    return true;
  }
  if (status == kInternalError) return false;  // more often the server's fault than the request's
  return leave_image_to_runner(*call, failure) || ask_without_schema(call, endpoint);
}

// The job runner converts the image and asks again.
bool VlmCaller::leave_image_to_runner(const Call& call, const Failure& failure) {
  const auto& image = call.query.image;
  if (!image || call.is_control) return false;
  const bool helps = failure.http_status == kContentTooLarge ? images_.on_too_large(*image)
                                                             : image->converted_from.empty();
  if (!helps) return false;
  call.done(
      CallFailure{FailureKind::kImageFormat, failure.message, failure.http_status, call.attempts},
      nullptr);
  return true;
}

// The answer's grammar may be what fails, for this question alone.
bool VlmCaller::ask_without_schema(const CallPtr& call, const Endpoint& endpoint) {
  constexpr int kMostInVain = 3;
  const auto is_schema = [&](const OptionalPart& part) {
    return part.part == RequestPart::kSchema &&
           call->ticket.form[RequestPart::kSchema] < part.left_out();
  };
  const auto& parts = call->ticket.parts;
  if (call->is_control || endpoint.schemaless_in_vain >= kMostInVain ||
      std::none_of(parts.begin(), parts.end(), is_schema)) {
    return false;
  }
  call->without_schema = true;
  send_again(call);
  return true;
}

// Whether the endpoint is out: the call waits for it then.
bool VlmCaller::is_outage(const CallPtr& call, Endpoint& endpoint, const Failure& failure,
                          bool was_probe) {
  Breaker& breaker = endpoint.breaker;
  const TimePoint now = parts_.clock.now();
  if (!may_be_outage(failure) || is_unprocessed(failure) || is_unknown_from_the_start(failure)) {
    if (was_probe) breaker.end_probe(now);
    return false;
  }
  if (call->is_control) breaker.open(now);  // that it has been answered before settles it
  if (was_probe) {
    breaker.on_probe_failed(failure.wait_hint, now);
  } else {
    breaker.on_fault(call.get(), evidence_of(failure, breaker.has_succeeded()), failure.wait_hint,
                     now);
  }
  if (!breaker.is_open()) return false;
  endpoint.last_fault = failure;
  announce_outage(endpoint, failure);
  take_back_doubts(endpoint);
  if (call->is_control) {
    endpoint.control_under_way = false;
  } else {
    give_back_series(*call, endpoint);
    send_last(call);  // the next probe is another one, in case the fault is this one's
  }
  return true;
}

void VlmCaller::note_fault(Call& call, Endpoint& endpoint) {
  ++step_counts(call).failed_attempts;
  ++endpoint.counts.failed_attempts;
  if (call.series != endpoint.breaker.successes()) {
    call.counted_in_series = call.faults_in_series = 0;
  }
  call.series = endpoint.breaker.successes();
  ++call.faults_in_series;
  ++call.faults;
}

// What was counted as retries before it was known that the endpoint is out.
void VlmCaller::give_back_series(Call& call, const Endpoint& endpoint) {
  if (endpoint.breaker.opened_after() != call.series) return;
  call.retry_state.counted_retries -= std::exchange(call.counted_in_series, 0);
}

// A host name that has not been resolved once is misspelt.
bool VlmCaller::is_unknown_from_the_start(const Failure& failure) const {
  return !answered_once_ && failure.fault == TransportFault::Kind::kDns;
}

void VlmCaller::handle_failure(const CallPtr& call, const SlotPtr& slot, Failure failure) {
  Endpoint& endpoint = slot->endpoint();
  constexpr int kMaxBrokenConnections = 3;
  if (is_unprocessed(failure) && call->broken_connections++ < kMaxBrokenConnections) {
    send_again(call);
    return;
  }
  if (failure.kind == FailureKind::kUnusableAnswer) {
    ++call->query.times_asked_in_vain;  // not to be asked again unchanged
  }
  AttemptState& state = call->retry_state;
  const Circumstances circumstances{since_progress(), endpoint.overload.is_general(),
                                    std::uniform_real_distribution<double>(0, 1)(random_)};
  const int counted = state.counted_retries;
  if (failure.kind == FailureKind::kRateLimited) last_refusal_ = failure;
  const Decision decision = decide(failure, state, limits_.retry, circumstances);
  call->counted_in_series += state.counted_retries - counted;
  if (decision.slow_down) {
    endpoint.overload.note(true);
    slot->set_outcome(Outcome::kRefused, failure.wait_hint);
  }
  // The last try goes without the schema: some servers fail to keep to it.
  if (state.unusable_answers == limits_.retry.max_unusable_answers) call->without_schema = true;
  parts_.warnings.logger().debug("attempt {}: {} ({}), {}", call->attempts, failure.message,
                                 name_of(failure.kind), name_of(decision.reason));
  if (decision.verdict == Verdict::kRetry && !is_unknown_from_the_start(failure)) {
    refused_since_progress_ = refused_since_progress_ || decision.waits_for_progress;
    retry_later(call, failure, parts_.clock.now() + decision.delay, decision.waits_for_progress);
    return;
  }
  if (decision.reason == StopReason::kPatienceUsedUp) {
    give_up(call, failure, decision.reason);
    if (endpoint.overload.is_general()) end_rate_limited();
    return;
  }
  const bool fatal = decision.verdict == Verdict::kFatal || fatal_tracker_.on_failure(failure);
  const bool unreachable = !answered_once_ && failure.http_status == 0 &&
                           failure.kind != FailureKind::kLocalFile &&
                           failure.kind != FailureKind::kClient;
  if ((fatal || unreachable) && !stopped_) {
    end_run_({RunEnd::Reason::kEndpoint, unreachable ? describe_silence(call->attempts, failure)
                                                     : with_advice(endpoint, failure)});
    return;
  }
  doubt(call, endpoint, failure, decision.reason);
}

std::string VlmCaller::describe_silence(int attempts, const Failure& failure) const {
  const char* what = failure.kind == FailureKind::kTimeout ? "has not answered once after"
                                                           : "cannot be reached after";
  return fmt::format("the endpoint {} {}: {}", what, count_of(attempts, "attempt"),
                     with_advice(*endpoints_.front(), failure));
}

void VlmCaller::give_up(const CallPtr& call, const Failure& failure, StopReason reason) {
  std::string message = failure.message;
  if (is_exhausted(reason)) message += fmt::format(" ({})", count_of(call->attempts, "attempt"));
  call->done(CallFailure{failure.kind, message, failure.http_status, call->attempts}, nullptr);
}

// A request that waits for progress of the run looks at it before its time comes, so that it never
// waits for ever behind a server's hint.
void VlmCaller::retry_later(const CallPtr& call, const Failure& failure, TimePoint ready_at,
                            bool waits_for_progress) {
  if (stopped_) return;
  TimePoint look_at = ready_at;
  if (waits_for_progress) {
    look_at = std::min(
        ready_at, std::max(last_progress_ + limits_.retry.rate_limit_patience, parts_.clock.now()));
  }
  ++waiting_;
  parts_.loop.at(look_at, [this, call, failure, ready_at, waits_for_progress] {
    --waiting_;
    if (stopped_) return;
    if (parts_.clock.now() >= ready_at) {
      send_again(call);
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
        in_seconds(since_progress()), key::kRateLimitPatience);
    give_up(call, last, StopReason::kPatienceUsedUp);
  });
}

// --- Advice ---

std::string VlmCaller::with_advice(const Endpoint& endpoint, const Failure& failure) const {
  const std::string advice =
      failure.advice.empty() ? endpoint_advice(endpoint, failure.kind) : failure.advice;
  return advice.empty() ? failure.message : without_full_stop(failure.message) + advice;
}

std::string VlmCaller::endpoint_advice(const Endpoint& endpoint, FailureKind kind) const {
  switch (kind) {
    case FailureKind::kQuota:
      return ". Check the plan and billing of the account; finished samples are kept, run again "
             "when there is quota";
    case FailureKind::kTimeout:
      return fmt::format(". Check that the server is not stuck, or give it more time ({}, {})",
                         key::kOpenAiTimeout, key::kGeminiTimeout);
    default:
      return endpoint.backend.advice_on(kind);
  }
}

}  // namespace alig
