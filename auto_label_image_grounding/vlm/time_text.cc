#include "auto_label_image_grounding/vlm/time_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/http/http_date.h"

namespace alig {
namespace {

using Seconds = std::chrono::duration<double>;

Duration limited(double seconds) {
  constexpr double kLimit = Seconds(kLongestWaitHint).count();
  return std::chrono::duration_cast<Duration>(Seconds(std::min(seconds, kLimit)));
}

// Removes a non-negative decimal number from the front of `text`.
std::optional<double> take_number(std::string_view& text) {
  // from_chars would also read "inf" and "-1".
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  const auto length = static_cast<std::size_t>(end - text.data());
  // Out of range: too many digits to matter, and the caller limits the value anyway.
  if (error == std::errc::result_out_of_range) value = HUGE_VAL;
  text.remove_prefix(length);
  return value;
}

std::optional<double> whole_number(std::string_view text) {
  text = trim(text);
  const std::optional<double> value = take_number(text);
  return text.empty() ? value : std::nullopt;
}

struct Unit {
  std::string_view name;
  double seconds;
};
// From large to small; "ms" before "m", which begins it.
constexpr Unit kUnits[] = {{"d", 86400}, {"h", 3600},  {"ms", 1e-3}, {"m", 60},
                           {"s", 1},     {"us", 1e-6}, {"ns", 1e-9}};

const Unit* take_unit(std::string_view& text) {
  for (const Unit& unit : kUnits) {
    if (text.substr(0, unit.name.size()) != unit.name) continue;
    text.remove_prefix(unit.name.size());
    return &unit;
  }
  return nullptr;
}

// A date and time of day of RFC 3339 as seconds since 1970; its fraction does not matter here.
std::optional<double> parse_rfc3339(std::string_view text) {
  const auto digits = [&](std::size_t at, std::size_t count) {
    int value = 0;
    for (const char c : text.substr(at, count)) {
      value = c >= '0' && c <= '9' && value >= 0 ? value * 10 + (c - '0') : -1;
    }
    return value;
  };
  constexpr std::size_t kLength = std::string_view("2026-01-31T12:00:00").size();
  if (text.size() <= kLength || text[4] != '-' || text[7] != '-' || text[13] != ':' ||
      text[16] != ':' || std::string_view("Tt ").find(text[10]) == std::string_view::npos) {
    return std::nullopt;
  }
  const int hour = digits(11, 2), minute = digits(14, 2), second = digits(17, 2);
  const std::chrono::year_month_day date{std::chrono::year(digits(0, 4)),
                                         std::chrono::month(static_cast<unsigned>(digits(5, 2))),
                                         std::chrono::day(static_cast<unsigned>(digits(8, 2)))};
  if (digits(0, 4) < 0 || !date.ok() || hour < 0 || minute < 0 || second < 0) return std::nullopt;
  const std::size_t zone = std::min(text.find_first_not_of(".0123456789", kLength), text.size());
  double offset = 0;  // minutes
  const std::string_view rest = text.substr(zone);
  if (rest.size() == 6 && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':') {
    const int hours = digits(zone + 1, 2), minutes = digits(zone + 4, 2);
    if (hours < 0 || minutes < 0) return std::nullopt;
    offset = (rest[0] == '-' ? -1 : 1) * (hours * 60 + minutes);
  } else if (rest != "Z" && rest != "z") {
    return std::nullopt;
  }
  const Seconds midnight = std::chrono::sys_days(date).time_since_epoch();
  return midnight.count() + hour * 3600.0 + (minute - offset) * 60.0 + second;
}

double unix_seconds(std::chrono::system_clock::time_point time) {
  return Seconds(time.time_since_epoch()).count();
}

// A number that may be a wait or a point in time. 1e9 seconds are 30 years, or September 2001; in
// milliseconds, 1e11 are March 1973.
double wait_of_number(double number, std::chrono::system_clock::time_point wall_now) {
  constexpr double kLeastUnixSeconds = 1e9, kLeastUnixMilliseconds = 1e11;
  if (number < kLeastUnixSeconds) return number;
  return (number < kLeastUnixMilliseconds ? number : number / 1000) - unix_seconds(wall_now);
}

}  // namespace

std::optional<Duration> parse_retry_after(std::string_view text,
                                          std::chrono::system_clock::time_point wall_now) {
  if (const std::optional<double> seconds = whole_number(text)) return limited(*seconds);
  const auto date = parse_http_date(text);
  if (!date) return std::nullopt;
  return limited(std::max(0.0, Seconds(*date - wall_now).count()));
}

std::optional<Duration> parse_milliseconds(std::string_view text) {
  const std::optional<double> value = whole_number(text);
  if (!value) return std::nullopt;
  return limited(*value / 1000);
}

std::optional<Duration> parse_reset(std::string_view text,
                                    std::chrono::system_clock::time_point wall_now) {
  text = trim(text);
  if (auto duration = parse_duration(text)) return duration;
  std::optional<double> wait = whole_number(text);
  if (wait) {
    wait = wait_of_number(*wait, wall_now);
  } else if (const auto time = parse_rfc3339(text)) {
    wait = *time - unix_seconds(wall_now);
  } else if (const auto date = parse_http_date(text)) {
    wait = Seconds(*date - wall_now).count();
  }
  return wait && *wait >= 0 ? std::optional(limited(*wait)) : std::nullopt;
}

std::optional<Duration> parse_duration(std::string_view text) {
  text = trim(text);
  double total = 0;
  double last_unit = HUGE_VAL;
  do {
    const std::optional<double> value = take_number(text);
    if (!value) return std::nullopt;
    const Unit* unit = take_unit(text);
    if (unit == nullptr || unit->seconds >= last_unit) return std::nullopt;
    last_unit = unit->seconds;
    total += *value * unit->seconds;
  } while (!text.empty());
  return limited(total);
}

}  // namespace alig
