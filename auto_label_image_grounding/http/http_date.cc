#include "auto_label_image_grounding/http/http_date.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include <curl/curl.h>

namespace alig {

std::optional<std::chrono::system_clock::time_point> parse_http_date(std::string_view text) {
  // A truncated header must not pass for a date at midnight.
  if (text.find(':') == text.npos || text.find('\0') != text.npos) return std::nullopt;
  // A system_clock in nanoseconds ends in 2262.
  constexpr std::int64_t kLatest = 7258118400;  // the year 2200
  const std::int64_t seconds = ::curl_getdate(std::string(text).c_str(), nullptr);
  if (seconds < 0) return std::nullopt;
  return std::chrono::system_clock::time_point(std::chrono::seconds(std::min(seconds, kLatest)));
}

}  // namespace alig
