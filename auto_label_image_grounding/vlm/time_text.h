// Times as HTTP headers and providers write them. Pure; never throws; independent of the locale.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "auto_label_image_grounding/base/clock.h"

namespace alig {

// Longer hints are capped: this also keeps hostile numbers out of the arithmetic.
inline constexpr std::chrono::hours kLongestWaitHint{24};

// Seconds (fractions tolerated) or an HTTP-date, which is compared with `wall_now`; a date in the
// past is zero. At most kLongestWaitHint. Nothing for negative numbers or other text.
std::optional<Duration> parse_retry_after(std::string_view text,
                                          std::chrono::system_clock::time_point wall_now);

// Value of `retry-after-ms`: milliseconds, fractions tolerated. Limits as above.
std::optional<Duration> parse_milliseconds(std::string_view text);

// When a rate limit is reset, as a wait from `wall_now`: seconds, a duration (below), Unix time in
// seconds or milliseconds (told by its size), an RFC 3339 time ("2026-01-31T12:00:00.5Z") or an
// HTTP-date. Limits as above; nothing for what has passed: a clock is wrong then.
std::optional<Duration> parse_reset(std::string_view text,
                                    std::chrono::system_clock::time_point wall_now);

// "12ms", "45.8379s", "1m30s", "1h0m5.5s", "2d": every number has its unit, units do not repeat.
// Limits as above.
std::optional<Duration> parse_duration(std::string_view text);

}  // namespace alig
