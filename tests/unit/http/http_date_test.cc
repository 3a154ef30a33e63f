#include "auto_label_image_grounding/http/http_date.h"

#include <chrono>
#include <optional>
#include <string>

#include <gtest/gtest.h>

namespace alig {
namespace {

using std::chrono::seconds;
using WallTime = std::chrono::system_clock::time_point;

constexpr WallTime kExample{seconds(784111777)};  // that of RFC 9110

TEST(HttpDate, ReadsTheThreeForms) {
  for (const char* text :
       {"Sun, 06 Nov 1994 08:49:37 GMT", "  Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun Nov 06 08:49:37 1994"}) {
    EXPECT_EQ(parse_http_date(text), kExample) << text;
  }
  EXPECT_EQ(parse_http_date("Thu, 29 Feb 2024 00:00:00 GMT"), WallTime(seconds(1709164800)));
  EXPECT_EQ(parse_http_date("Fri, 31 Dec 9999 23:59:59 GMT"), WallTime(seconds(7258118400)));
}

TEST(HttpDate, OtherTextIsNone) {
  for (const char* text : {"Sun, 06 Nov 1994 25:49:37 GMT", "Sun, 06 Nov", "tomorrow", "12:30", "7",
                           "2024", "Thu, 01 Jan 1900 00:00:00 GMT", ""}) {
    EXPECT_EQ(parse_http_date(text), std::nullopt) << text;
  }
}

TEST(HttpDate, APrefixIsNoneOrTheSameMinute) {
  const std::string date = "Sun, 06 Nov 1994 08:49:37 GMT";
  for (std::size_t length = 0; length < date.size(); ++length) {
    const auto found = parse_http_date(date.substr(0, length));
    if (!found) continue;
    EXPECT_LE(kExample - *found, std::chrono::minutes(50)) << date.substr(0, length);
  }
}

}  // namespace
}  // namespace alig
