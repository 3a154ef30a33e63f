// Dates in HTTP headers.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace alig {

// An HTTP-date of RFC 9110 section 5.6.7 in any of its three forms, read by libcurl's curl_getdate:
// "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994".
// libcurl accepts much more; a text without a time of day is rejected here. Dates before 1970 are
// rejected, later than 2200 are clamped to that year. Thread-safe; independent of the locale.
std::optional<std::chrono::system_clock::time_point> parse_http_date(std::string_view text);

}  // namespace alig
