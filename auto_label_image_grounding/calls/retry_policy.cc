#include "auto_label_image_grounding/calls/retry_policy.h"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/key_names.h"

namespace alig {
namespace {

Duration scaled(Duration duration, double factor) {
  return Duration(static_cast<Duration::rep>(static_cast<double>(duration.count()) * factor));
}

// Exponential, full jitter: uniform in [0, min(cap, base * 2^tries)).
Duration backoff_window(const RetrySettings& settings, int tries) {
  const double factor = std::ldexp(1.0, std::min(tries, 40));
  const double base = static_cast<double>(settings.backoff_base.count());
  const double cap = static_cast<double>(settings.backoff_cap.count());
  return Duration(static_cast<Duration::rep>(std::min(cap, base * factor)));
}

// Many requests get the same hint at the same moment; each comes back a little later than asked,
// and the more it has been turned away the more they are spread.
Duration delay_after(const Failure& failure, const RetrySettings& settings, int tries,
                     double random01) {
  const Duration window = backoff_window(settings, tries);
  if (!failure.wait_hint) return scaled(window, random01);
  const Duration hint = *failure.wait_hint;
  const Duration spread = std::max({settings.backoff_base, hint / 10, std::min(window, hint)});
  return hint + scaled(spread, random01);
}

Decision give_up(StopReason reason) {
  Decision decision;
  decision.verdict = reason == StopReason::kFatal ? Verdict::kFatal : Verdict::kGiveUp;
  decision.reason = reason;
  return decision;
}

Decision retry_after(Duration delay) {
  Decision decision;
  decision.verdict = Verdict::kRetry;
  decision.delay = delay;
  return decision;
}

bool waits_for_progress(const Failure& failure) {
  return failure.kind == FailureKind::kRateLimited ||
         ((failure.http_status == 503 || failure.http_status == 529) &&
          failure.wait_hint.has_value());
}

Decision decide_uncounted(const Failure& failure, AttemptState& state,
                          const RetrySettings& settings, const Circumstances& circumstances) {
  if (circumstances.since_last_progress >= settings.rate_limit_patience) {
    return give_up(StopReason::kPatienceUsedUp);
  }
  Decision decision =
      retry_after(delay_after(failure, settings, state.rate_limited, circumstances.random01));
  decision.waits_for_progress = true;
  ++state.rate_limited;
  return decision;
}

// Where others are refused for overload too, one that is refused does not stand out: it may be
// refused so many times more for each of its retries.
bool is_excused(const Failure& failure, AttemptState& state, const RetrySettings& settings,
                const Circumstances& circumstances) {
  constexpr int kPerRetry = 2;
  if (!circumstances.others_refused || !means_overload(failure)) return false;
  if (failure.kind == FailureKind::kTimeout) return false;  // each has cost its whole time
  return state.overloaded++ < kPerRetry * settings.max_retries;
}

Decision decide_counted(const Failure& failure, AttemptState& state, const RetrySettings& settings,
                        const Circumstances& circumstances) {
  const double random01 = circumstances.random01;
  if (failure.kind == FailureKind::kUnusableAnswer &&
      state.unusable_answers++ >= settings.max_unusable_answers) {
    return give_up(StopReason::kAnswersUsedUp);
  }
  if (is_excused(failure, state, settings, circumstances)) {
    return retry_after(delay_after(failure, settings, state.overloaded, random01));
  }
  if (state.counted_retries >= settings.max_retries) {
    return give_up(StopReason::kRetriesUsedUp);
  }
  Decision decision =
      retry_after(delay_after(failure, settings, state.counted_retries++, random01));
  // A server may ask for hours.
  decision.waits_for_progress = failure.wait_hint && *failure.wait_hint > settings.backoff_cap;
  return decision;
}

Decision decide_verdict(const Failure& failure, AttemptState& state, const RetrySettings& settings,
                        const Circumstances& circumstances) {
  if (failure.kind == FailureKind::kCancelled) return give_up(StopReason::kCancelled);
  if (failure.ends_run) return give_up(StopReason::kFatal);
  if (failure.should_retry == false) return give_up(StopReason::kServerForbids);
  if (!is_retryable(failure.kind) && failure.should_retry != true) {
    return give_up(StopReason::kPermanent);
  }
  if (waits_for_progress(failure)) {
    return decide_uncounted(failure, state, settings, circumstances);
  }
  return decide_counted(failure, state, settings, circumstances);
}

}  // namespace

std::string name_of(StopReason reason) {
  switch (reason) {
    case StopReason::kNone:
      return "sent again";
    case StopReason::kCancelled:
      return "cancelled";
    case StopReason::kFatal:
      return "fatal";
    case StopReason::kPermanent:
      return "permanent";
    case StopReason::kServerForbids:
      return "permanent (x-should-retry)";
    case StopReason::kRetriesUsedUp:
      return fmt::format("retries used up ({})", key::kMaxRetries);
    case StopReason::kAnswersUsedUp:
      return "unusable answers used up";
    case StopReason::kPatienceUsedUp:
      return fmt::format("patience used up ({})", key::kRateLimitPatience);
  }
  return "";
}

bool is_exhausted(StopReason reason) {
  return reason == StopReason::kRetriesUsedUp || reason == StopReason::kAnswersUsedUp ||
         reason == StopReason::kPatienceUsedUp;
}

Decision decide(const Failure& failure, AttemptState& state, const RetrySettings& settings,
                const Circumstances& circumstances) {
  Decision decision = decide_verdict(failure, state, settings, circumstances);
  decision.slow_down = means_overload(failure);
  return decision;
}

bool FatalTracker::on_failure(const Failure& failure) {
  if (failure.ends_run) return true;
  if (failure.should_retry == true || !is_suspicious(failure.kind)) return false;
  return ++suspicious_ >= 2;
}

}  // namespace alig
