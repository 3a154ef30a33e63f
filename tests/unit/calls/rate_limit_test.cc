#include "auto_label_image_grounding/calls/rate_limit.h"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

namespace alig {
namespace {

using namespace std::chrono_literals;
// Sends as early as the bucket allows; returns when, in seconds after the start.
std::vector<double> schedule(TokenBucket& bucket, TimePoint start, int count, double cost) {
  std::vector<double> times;
  TimePoint now = start;
  for (int i = 0; i < count; ++i) {
    now = std::max(now, bucket.ready_at(cost));
    bucket.take(cost, now);
    times.push_back(std::chrono::duration<double>(now - start).count());
  }
  return times;
}

TEST(TokenBucket, NeverMoreThanItsRateInAnyMinute) {
  for (const int per_minute : {1, 7, 60, 600, 6001}) {
    const TimePoint start = TimePoint() + 1000h;
    TokenBucket bucket(per_minute, 1, start);
    const std::vector<double> times = schedule(bucket, start, 3 * per_minute + 1, 1);
    const auto step = static_cast<std::size_t>(per_minute);
    for (std::size_t i = 0; i + step < times.size(); ++i) {
      EXPECT_GE(times[i + step] - times[i], 60.0 - 1e-6) << per_minute << ' ' << i;
    }
    EXPECT_NEAR(times.back(), 180.0, 1e-3) << per_minute << ": nor less than its rate";
  }
}

TEST(TokenBucket, DoesNotSaveUpMoreThanItsCapacity) {
  const TimePoint start = TimePoint() + 1h;
  TokenBucket bucket(60, 3, start);
  bucket.take(3, start);
  const TimePoint later = start + 1000s;
  for (int i = 0; i < 3; ++i) {
    EXPECT_LE(bucket.ready_at(1), later) << i;
    bucket.take(1, later);
  }
  EXPECT_EQ(bucket.ready_at(1), later + 1s);
}

TEST(TokenBucket, ALargeCostWaitsForAFullBucketAndLeavesADebt) {
  const TimePoint start = TimePoint() + 1h;
  TokenBucket bucket(6000, 100, start);  // 100 per second
  EXPECT_LE(bucket.ready_at(1000), start);
  bucket.take(1000, start);
  EXPECT_EQ(bucket.ready_at(1), start + 9010ms);
}

TEST(TokenBucket, CorrectsEstimates) {
  const TimePoint start = TimePoint() + 1h;
  TokenBucket bucket(6000, 100, start);
  bucket.take(100, start);
  bucket.correct(50);
  EXPECT_EQ(bucket.ready_at(10), start + 600ms);
  bucket.correct(-60);
  EXPECT_LE(bucket.ready_at(10), start);
  bucket.correct(-1e18);
  bucket.take(100, start);
  EXPECT_EQ(bucket.ready_at(100), start + 1s) << "a refund does not exceed the capacity";
  bucket.correct(1e300);
  EXPECT_EQ(bucket.ready_at(1), start + 60'010ms) << "an answer costs a minute at most";
  bucket.take(1e300, start);
  EXPECT_EQ(bucket.ready_at(1), start + 24h) << "nonsense does not overflow";
}

TEST(TokenBucket, ZeroIsNoLimit) {
  const TimePoint start = TimePoint() + 1h;
  TokenBucket bucket(0, 1, start);
  for (int i = 0; i < 1000; ++i) bucket.take(1e9, start);
  bucket.correct(1e9);
  EXPECT_LE(bucket.ready_at(1e9), start);
}

TEST(TokenBucket, TimeNeverRunsBackwards) {
  const TimePoint start = TimePoint() + 1h;
  TokenBucket bucket(60, 1, start);
  bucket.take(1, start + 10s);
  bucket.take(1, start);
  EXPECT_EQ(bucket.ready_at(1), start + 12s);
}

}  // namespace
}  // namespace alig
