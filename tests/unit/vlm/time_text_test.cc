#include "auto_label_image_grounding/vlm/time_text.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>

namespace alig {
namespace {

using namespace std::chrono_literals;
using WallTime = std::chrono::system_clock::time_point;
using std::chrono::milliseconds;

// The example of RFC 9110.
const WallTime kExample = WallTime(784111777s);

std::optional<long long> in_ms(std::optional<Duration> duration) {
  if (!duration) return std::nullopt;
  return std::chrono::round<milliseconds>(*duration).count();
}

TEST(TimeText, RetryAfter) {
  struct Case {
    const char* text;
    std::optional<long long> expected_ms;
  };
  const Case cases[] = {
      {"0", 0},
      {"120", 120000},
      {" 7 ", 7000},
      {"1.5", 1500},
      {"99999999999999999999999", 86400000},
      {"1e9", std::nullopt},
      {"-1", std::nullopt},
      {"inf", std::nullopt},
      {"nan", std::nullopt},
      {"12 s", std::nullopt},
      {"", std::nullopt},
      {"Sun, 06 Nov 1994 08:50:07 GMT", 30000},
      {"Sun, 06 Nov 1994 08:49:00 GMT", 0},
      {"Sun, 06 Nov 2094 08:49:00 GMT", 86400000},
      {"Fri, 31 Dec 9999 23:59:59 GMT", 86400000},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(in_ms(parse_retry_after(c.text, kExample)), c.expected_ms) << c.text;
  }
}

TEST(TimeText, RetryAfterMs) {
  EXPECT_EQ(in_ms(parse_milliseconds("250")), 250);
  EXPECT_EQ(in_ms(parse_milliseconds("1500.4")), 1500);
  EXPECT_EQ(in_ms(parse_milliseconds("999999999999999")), 86400000);
  EXPECT_EQ(in_ms(parse_milliseconds("-1")), std::nullopt);
  EXPECT_EQ(in_ms(parse_milliseconds("soon")), std::nullopt);
}

TEST(TimeText, Resets) {
  struct Case {
    const char* text;
    std::optional<long long> expected_ms;
  };
  const Case cases[] = {
      {"0", 0},
      {" 30 ", 30000},
      {"1m30s", 90000},
      {"999999999", 86400000},  // seconds still
      {"784111807", 86400000},  // Unix seconds begin in 2001
      {"1994-11-06T08:50:07Z", 30000},
      {"1994-11-06t08:50:07.999z", 30000},
      {"1994-11-06 08:50:07Z", 30000},
      {"1994-11-06T09:50:07+01:00", 30000},
      {"1994-11-06T03:20:07-05:30", 30000},
      {"2094-01-01T00:00:00Z", 86400000},
      {"1994-11-06T08:49:00Z", std::nullopt},
      {"1994-11-06T08:50:07", std::nullopt},
      {"1994-11-06T08:50:07+1", std::nullopt},
      {"1994-11-06T08:50:07+ab:cd", std::nullopt},
      {"1994-13-06T08:50:07Z", std::nullopt},
      {"1994-02-30T08:50:07Z", std::nullopt},
      {"19x4-11-06T08:50:07Z", std::nullopt},
      {"1994-11-06T08:xx:07Z", std::nullopt},
      {"Sun, 06 Nov 1994 08:50:07 GMT", 30000},
      {"Sun, 06 Nov 1994 08:49:00 GMT", std::nullopt},
      {"-1", std::nullopt},
      {"nan", std::nullopt},
      {"", std::nullopt},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(in_ms(parse_reset(c.text, kExample)), c.expected_ms) << c.text;
  }
  // Unix seconds and milliseconds, at a time that they can express.
  const WallTime later(1769860800s);
  EXPECT_EQ(in_ms(parse_reset("1769860830", later)), 30000);
  EXPECT_EQ(in_ms(parse_reset("1769860830500", later)), 30500);
  EXPECT_EQ(in_ms(parse_reset("1769860799", later)), std::nullopt);
}

TEST(TimeText, Durations) {
  struct Case {
    const char* text;
    std::optional<long long> expected_ms;
  };
  const Case cases[] = {
      {"12ms", 12},
      {"45.8379s", 45838},
      {"1m30s", 90000},
      {"6m0s", 360000},
      {"1h", 3600000},
      {"1h2m3.5s", 3723500},
      {"1m5ms", 60005},
      {"1d2h", 86400000},
      {"0s", 0},
      {"600us", 1},
      {"2000ns", 0},
      {" 3s ", 3000},
      {"-1", std::nullopt},
      {"-1s", std::nullopt},
      {"30", std::nullopt},
      {"s", std::nullopt},
      {"", std::nullopt},
      {"1s1m", std::nullopt},
      {"1s1s", std::nullopt},
      {"1x", std::nullopt},
      {"1m 30s", std::nullopt},
      {"1e3s", std::nullopt},
      {"999999999999999999999999999999h", 86400000},
  };
  for (const Case& c : cases) EXPECT_EQ(in_ms(parse_duration(c.text)), c.expected_ms) << c.text;
}

}  // namespace
}  // namespace alig
