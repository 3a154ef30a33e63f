#include "auto_label_image_grounding/vlm/wait_hint.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/vlm/time_text.h"

namespace alig {
namespace {

using WallTime = std::chrono::system_clock::time_point;

// "retry-after" in "retry-after" (bare), "x-retry-after", "llm_provider-retry-after".
bool ends_in_name(std::string_view header, std::string_view name) {
  if (!header.ends_with(name)) return false;
  header.remove_suffix(name.size());
  return header.empty() || header.back() == '-' || header.back() == '_';
}

// The header without a prefix first: the nearest server's own.
template <typename Parse>
std::optional<Duration> first_time(const HttpHeaders& headers, std::string_view name, Parse parse) {
  for (const bool bare : {true, false}) {
    for (const auto& [header, value] : headers) {
      if ((header == name) != bare || !ends_in_name(header, name)) continue;
      if (const auto wait = parse(value)) return wait;
    }
  }
  return std::nullopt;
}

// One limit, of requests per minute, say.
struct RateQuota {
  std::string_view remaining{};
  std::string_view reset{};
};

std::optional<Duration> time_of(const RateQuota& quota, WallTime wall_now) {
  const std::string_view remaining = trim(quota.remaining);
  const bool none_left = !remaining.empty() && remaining.find_first_not_of('0') == remaining.npos;
  return none_left ? parse_reset(quota.reset, wall_now) : std::nullopt;
}

void keep_longest(std::optional<Duration>& longest, const std::optional<Duration>& wait) {
  if (wait) longest = std::max(longest.value_or(*wait), *wait);
}

// What remains of `text` where `part` is taken out, or nothing.
std::optional<std::string> without(std::string_view text, std::string_view part) {
  const std::size_t at = text.find(part);
  if (at == text.npos) return std::nullopt;
  std::string rest(text.substr(0, at));
  return rest.append(text.substr(at + part.size()));
}

// Headers of one value each: "x-ratelimit-remaining-requests", "anthropic-ratelimit-tokens-reset",
// "ratelimit-reset". Those whose names are equal without "remaining" or "reset" belong together.
std::optional<Duration> time_of_pairs(const HttpHeaders& headers, WallTime wall_now) {
  std::map<std::string, RateQuota> quotas;
  for (const auto& [name, value] : headers) {
    if (name.find("ratelimit-") == name.npos && name.find("rate-limit-") == name.npos) continue;
    if (const auto quota = without(name, "-remaining")) quotas[*quota].remaining = value;
    if (const auto quota = without(name, "-reset")) quotas[*quota].reset = value;
  }
  std::optional<Duration> longest;
  for (const auto& [name, quota] : quotas) keep_longest(longest, time_of(quota, wall_now));
  return longest;
}

// Takes the text up to `end` off the front of `text`; all of it where there is none.
std::string_view take_until(std::string_view& text, char end) {
  const std::size_t at = std::min(text.find(end), text.size());
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return trim(taken);
}

// A policy's name is the server's to choose, and may hold anything.
std::string without_quoted(std::string_view text) {
  std::string out;
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    if (!quoted) out += c;
  }
  return out;
}

// `"default";r=0;t=30, "daily";r=50;t=3600`, and `limit=100, remaining=0, reset=30` of older
// drafts.
std::optional<Duration> time_of_field(std::string_view field, WallTime wall_now) {
  const std::string text = without_quoted(field);
  std::optional<Duration> longest;
  RateQuota quota;
  for (std::string_view policies = text; !policies.empty();) {
    std::string_view parameters = take_until(policies, ',');
    if (parameters.find(';') != parameters.npos) quota = {};
    while (!parameters.empty()) {
      std::string_view value = take_until(parameters, ';');
      const std::string_view name = take_until(value, '=');
      if (name == "r" || name == "remaining") quota.remaining = value;
      if (name == "t" || name == "reset") quota.reset = value;
    }
    keep_longest(longest, time_of(quota, wall_now));
  }
  return longest;
}

bool is_overload(int status) { return status == 429 || status == 503 || status == 529; }

}  // namespace

std::optional<Duration> time_to_reset(const HttpHeaders& headers, WallTime wall_now) {
  std::optional<Duration> longest = time_of_pairs(headers, wall_now);
  for (const auto& [name, value] : headers) {
    if (ends_in_name(name, "ratelimit")) keep_longest(longest, time_of_field(value, wall_now));
  }
  return longest;
}

std::optional<Duration> wait_hint(const HttpResponse& response, const ProviderError& error,
                                  WallTime wall_now) {
  const auto seconds_or_date = [&](std::string_view text) {
    return parse_retry_after(text, wall_now);
  };
  for (const HttpHeaders* headers : {&response.headers, &error.headers}) {
    if (auto wait = first_time(*headers, "retry-after-ms", parse_milliseconds)) return wait;
    if (auto wait = first_time(*headers, "retry-after", seconds_or_date)) return wait;
  }
  if (error.retry_delay) return error.retry_delay;
  if (!is_overload(response.status)) return std::nullopt;
  auto wait = time_to_reset(response.headers, wall_now);
  return wait ? wait : time_to_reset(error.headers, wall_now);
}

}  // namespace alig
