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
